"""What a site needs for workers that talk HTTP."""

import subprocess

from loopback import free_port
from system_harness.site import COMMAND, Row, Site


def door_section(site: Site) -> dict[str, object]:
    """`[frontend]` on a free port, with a key that the command has made."""
    file = site.directory / "door.key"
    subprocess.run([*COMMAND, "door-key", "--file", file], check=True, stdout=subprocess.DEVNULL)
    return {"portNumber": free_port(), "secretFile": file}


def with_door(queue: Row) -> Row:
    """The queue, with workers that come to the door."""
    messenger = queue["messenger"]
    assert isinstance(messenger, dict)
    return {**queue, "messenger": {**messenger, "plugin": "http"}}
