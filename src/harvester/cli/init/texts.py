"""The files of a new instance, as texts."""

import json
import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pydantic import JsonValue

from harvester.cli.init.answers import Account, Answers
from harvester.cli.init.choices import Mode, Resource
from harvester.config.service import section_models
from harvester.config.template import Values, live_keys, render

_SECTIONS: Final = ("master", "db", "pandacon", "qconf", "credmanager", "frontend", "watcher", "service_monitor")
"""What is written; the others have good defaults."""
_MAIN: Final = """\
The configuration of one Harvester instance, written by `harvester init`.
Lines that begin with # and a key show its default. A comment cannot stand behind a value.
docs/configuration.md tells of all sections and keys; `harvester check` tells of every mistake."""
_COMMON: Final = """\
Where the logs of Harvester go, written by `harvester init`.
If logrotate is to rotate them, as etc/logrotate.d says, write rotating_policy = none here."""
_ROTATION: Final = {"rotating_policy": "size", "rotating_backup_count": "5", "rotating_max_size": "512"}
_FEW: Final = 4


@dataclass(frozen=True, slots=True)
class Layout:
    """Where everything is, below one directory, as operators know it."""

    home: Path

    @property
    def etc(self) -> Path:
        """Configuration."""
        return self.home / "etc/panda"

    @property
    def main(self) -> Path:
        """The main configuration."""
        return self.etc / "panda_harvester.cfg"

    @property
    def common(self) -> Path:
        """Where logs go."""
        return self.etc / "panda_common.cfg"

    @property
    def queues(self) -> Path:
        """The queue configuration."""
        return self.etc / "panda_queueconfig.json"

    @property
    def batch_script(self) -> Path:
        """What Slurm runs for a worker."""
        return self.etc / "slurm_template.sh"

    @property
    def token_key(self) -> Path:
        """What tokens of workers are signed with."""
        return self.etc / "door.key"

    @property
    def configuration(self) -> tuple[Path, ...]:
        """All files that follow from answers."""
        return self.main, self.common, self.queues, self.batch_script, self.token_key

    @property
    def run(self) -> Path:
        """Pid files, lock files and sockets."""
        return self.home / "var/run"

    def work_dir(self, harvester_id: str) -> Path:
        """Database, access points, and the state of plugins."""
        return self.home / "var/harvester" / harvester_id

    @property
    def logs(self) -> Path:
        """Log files, unless they are wanted elsewhere."""
        return self.home / "var/log/panda"


def main_text(layout: Layout, answers: Answers, account: Account) -> str:
    """`panda_harvester.cfg`."""
    work_dir = layout.work_dir(answers.harvester_id)
    db = dict(answers.db)
    if db["engine"] == "sqlite":
        db["database_filename"] = str(work_dir / "harvester.db")
    values: Values = {
        "master": {
            **_account_keys(account),
            "harvester_id": answers.harvester_id,
            "workDir": str(work_dir),
        },
        "db": db,
        "pandacon": answers.pandacon,
        "qconf": {"configFile": layout.queues.name, "queueList": ", ".join(answers.queues)},
        "frontend": {"secretFile": str(layout.token_key)},
    }
    models = section_models()
    return render(_MAIN, {name: models[name] for name in _SECTIONS if live_keys(models[name])}, values)


def _account_keys(account: Account) -> dict[str, str]:
    """Root is nobody to become: where it installs for itself, the service stays who starts it."""
    user = {} if account.uid == 0 else {"uname": account.user}
    return user if account.gid == 0 else {**user, "gname": account.group}


def common_text(logdir: Path) -> str:
    """`panda_common.cfg`."""
    models = section_models()
    return render(
        _COMMON, {"logger": models["logger"]}, {"logger": {"logdir": str(logdir), "log_level": "INFO", **_ROTATION}}
    )


def queues_text(layout: Layout, answers: Answers) -> str:
    """The queue configuration: all queues are alike, and small."""
    access_points = layout.work_dir(answers.harvester_id) / "workers/${_workerID_3.2}/${_workerID_1.0}/${workerID}"
    queue: dict[str, JsonValue] = {
        "_comment": "docs/configuration.md tells what each key means, docs/sizing.md how many workers there will be",
        "mapType": "OneToOne" if answers.mode is Mode.PUSH else "NoJob",
        "maxWorkers": _FEW,
        "nQueueLimitWorker": _FEW // 2,
        "submitter": _submitter(layout, answers),
        "messenger": {"plugin": "shared_file", "accessPoint": str(access_points)},
    }
    if answers.mode is Mode.PUSH:
        queue |= {"nQueueLimitJob": _FEW, "preparator": {"plugin": "dummy"}, "stager": {"plugin": "dummy"}}
    return json.dumps(dict.fromkeys(answers.queues, queue), indent=4) + "\n"


def _submitter(layout: Layout, answers: Answers) -> JsonValue:
    if answers.resource is Resource.SLURM:
        return {"plugin": "slurm", "templateFile": str(layout.batch_script)}
    return {"plugin": "local", "command": list(answers.pilot)}


def batch_script_text(answers: Answers) -> str:
    """The batch script of one worker."""
    command = shlex.join(answers.pilot).replace("'{", "{").replace("}'", "}")
    return f"""\
#!/bin/bash
# Batch script of one worker, written by `harvester init`. Harvester replaces names in single braces: docs/slurm.md.
#SBATCH --ntasks=1 --cpus-per-task={{nCoreTotal}} --mem={{requestRam}} --time={{requestWalltimeMinute}}
#SBATCH --output={{accessPoint}}/{{workerID}}.out --error={{accessPoint}}/{{workerID}}.err

cd {{accessPoint}} || exit
exec {command}
"""
