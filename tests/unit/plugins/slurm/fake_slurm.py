"""A Slurm whose commands are small scripts that a test writes."""

import shlex
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from harvester.core.workers import Worker, WorkerStatus, marker_of
from harvester.plugins.api import PluginContext
from harvester.plugins.slurm import SlurmResource, SlurmSettings

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
SQUEUE_HEAD = "JOBID|STATE|EXIT_CODE|START_TIME|END_TIME|TIME_LIMIT|NODELIST|REASON|NAME|"
SACCT_HEAD = "JobID|State|ExitCode|Start|End|Timelimit|NodeList|Reason|JobName|"
TEMPLATE = "#!/bin/sh\n#SBATCH -n {nCoreTotal}\nexec pilot --worker {workerID}\n"


@dataclass
class FakeSlurm:
    """The five commands as scripts; every call's arguments and standard input are kept."""

    root: Path
    settings: dict[str, object] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.template = self.write("template.sh", TEMPLATE)
        self.settings = {name: str(self.root / name) for name in ("sbatch", "squeue", "sacct", "scancel", "scontrol")}
        self.settings["templateFile"] = str(self.template)
        self.settings["commandTimeout"] = 30
        self.prints("sbatch", "17\n")
        self.lists([])
        self.accounts([])
        self.prints("scancel", "")
        self.prints("scontrol", "MaxArraySize            = 1001\nMinJobAge               = 300 sec\n")

    def write(self, name: str, text: str) -> Path:
        path = self.root / name
        path.write_text(text)
        return path

    def does(self, program: str, shell: str) -> None:
        """Let a command keep its arguments and its input, then run some shell."""
        keep = f'printf "%s\\n" "$@" >>{self.root}/{program}.calls; echo . >>{self.root}/{program}.calls\n'
        if program == "sbatch":
            keep += f"cat >>{self.root}/sbatch.input\n"
        self.write(program, f"#!/bin/sh\n{keep}{shell}\n").chmod(0o755)

    def prints(self, program: str, text: str, *, exit_code: int = 0, err: str = "") -> None:
        self.does(program, f"printf %s {shlex.quote(text)}; printf %s {shlex.quote(err)} >&2; exit {exit_code}")

    def lists(self, rows: list[str]) -> None:
        """Let `squeue` list these rows."""
        self.prints("squeue", "".join(f"{row}\n" for row in (SQUEUE_HEAD, *rows)))

    def accounts(self, rows: list[str]) -> None:
        """Let `sacct` list these rows."""
        self.prints("sacct", "".join(f"{row}\n" for row in (SACCT_HEAD, *rows)))

    def calls(self, program: str) -> list[list[str]]:
        """The arguments of each call so far."""
        path = self.root / f"{program}.calls"
        text = path.read_text() if path.exists() else ""
        return [call.splitlines() for call in text.split("\n.\n") if call]

    def resource(self, ahead: timedelta = timedelta(), **settings: object) -> SlurmResource:
        context = PluginContext("test", "QUEUE", lambda: NOW, self.root, ahead=lambda: ahead)
        return SlurmResource(SlurmSettings.model_validate({**self.settings, **settings}), context)

    def worker(self, worker_id: int, batch_id: str | None = None, **changes: object) -> Worker:
        access_point = self.root / f"ap-{worker_id}"
        access_point.mkdir(exist_ok=True)
        worker = Worker(
            worker_id,
            "QUEUE",
            WorkerStatus.SUBMITTED if batch_id else WorkerStatus.PENDING,
            marker_of("test", worker_id),
            access_point=str(access_point),
            batch_id=batch_id,
            created_at=NOW,
        )
        return replace(worker, **changes)  # type: ignore[arg-type] # the fields that a test wants to change


def make_row(
    batch_id: str,
    state: str,
    name: str,
    *,
    exit_text: str = "0",
    start: str = "2026-03-01T11:00:00",
    end: str = "2026-03-01T11:30:00",
    reason: str = "None",
) -> str:
    return f"{batch_id}|{state}|{exit_text}|{start}|{end}|1:00:00|n1|{reason}|{name}|"


Row = Callable[..., str]
