"""Queues that get as many workers as the server orders."""

from pydantic import JsonValue

from system_harness.queues import QUEUE, local_pull
from system_harness.site import Row, Site


def order(site: Site, number: int) -> None:
    """The server orders so many more workers."""
    params: Row = {"managed": {"SCORE": number}}
    site.server.control.order(site.instance, f"SET_N_WORKERS_JOBTYPE:{QUEUE}", params)


def patient(site: Site, **more: JsonValue) -> Row:
    """A queue in slave mode whose pilots wait until they get a job."""
    queue = local_pull(site, runMode="slave", **more)
    submitter = queue["submitter"]
    assert isinstance(submitter, dict)
    command = submitter["command"]
    assert isinstance(command, list)
    place = command.index("--wait") + 1
    return {**queue, "submitter": {**submitter, "command": [*command[:place], "600", *command[place + 1 :]]}}
