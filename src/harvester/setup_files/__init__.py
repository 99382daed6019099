"""The files that let Harvester run as a service, filled in for one installation.

The files beside this module have marks `@@name@@` for the values of `Values`. `PLACES` says where each belongs below
`PANDA_HOME`, under the names that operators know (operations reference §2.2).
"""

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from importlib.resources import files
from pathlib import Path
from typing import Final

_MARK: Final = re.compile(r"@@(\w+)@@")
WRITTEN_BY: Final = "ritten by `harvester init`"
"""What all of them say, and no other."""
_SAFE: Final = re.compile(r"[\w./+:@-]+", re.ASCII)
"""What all the languages of these files read as it is written."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a file belongs.

    Attributes:
        path: below `PANDA_HOME`.
        mode: permissions.
    """

    path: str
    mode: int = 0o644


PLACES: Final[Mapping[str, Place]] = {
    "service-functions.sh": Place("etc/rc.d/init.d/panda_harvester-functions"),
    "init-plain.sh": Place("etc/rc.d/init.d/panda_harvester", 0o755),
    "init-apachectl.sh": Place("etc/rc.d/init.d/panda_harvester-apachectl", 0o755),
    "init-uwsgi.sh": Place("etc/rc.d/init.d/panda_harvester-uwsgi", 0o755),
    "sysconfig": Place("etc/sysconfig/panda_harvester", 0o600),
    "httpd.conf": Place("etc/panda/panda_harvester-httpd.conf"),
    "uwsgi.ini": Place("etc/panda/panda_harvester-uwsgi.ini"),
    "nginx.conf": Place("etc/panda/panda_harvester-nginx.conf"),
    "harvester.wsgi": Place("etc/panda/panda_harvester.wsgi"),
    "supervisord.cfg": Place("etc/panda/panda_supervisord.cfg"),
    "systemd-plain.service": Place("etc/systemd/system/panda_harvester.service"),
    "systemd-uwsgi.service": Place("etc/systemd/system/panda_harvester-uwsgi.service"),
    "logrotate": Place("etc/logrotate.d/panda_harvester"),
    "logrotate-service": Place("etc/logrotate.d/panda_harvester_service"),
}
"""All files, by their names beside this module."""


@dataclass(frozen=True, slots=True)
class Values:
    """What differs from one installation to another.

    Attributes:
        panda_home: the directory whose `etc/panda` has the configuration.
        virtual_env: the environment that Harvester is installed in.
        user: account of the service.
        group: its group.
        log_dir: directory of the logs.
        run_dir: directory of pid files, lock files and control sockets, on a local disk.
        processes: how many processes do the work.
        threads: of each process of a web server, for requests.
    """

    panda_home: Path
    virtual_env: Path
    user: str
    group: str
    log_dir: Path
    run_dir: Path
    processes: int = 2
    threads: int = 4

    def __post_init__(self) -> None:
        for each in fields(self):
            text = str(getattr(self, each.name))
            if not _SAFE.fullmatch(text):
                raise ValueError(f"{each.name} {text!r}: only letters, digits and . / + : @ _ - can stand here")


def render(name: str, values: Values) -> str:
    """The text of a file.

    Raises:
        KeyError: there is no such file.
    """
    PLACES[name]  # a name is none of a path
    known = asdict(values)
    text = files(__name__).joinpath(name).read_text(encoding="utf-8")
    return _MARK.sub(lambda mark: str(known[mark[1]]), text)
