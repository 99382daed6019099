"""A pilot that processes event ranges: it asks for them, works on each, and tells how each ended, all by files.

`python3 event_pilot.py --journal FILE`, started in the access point. Every range gets a line in the journal. A range
that is a point of a search gets a loss; large points take two pilots, of which the first leaves a checkpoint.
"""

import argparse
import json
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

_AT_ONCE = 3
_GLANCE = 0.05
_PATIENCE = 120.0
_TOO_LARGE_FOR_ONE = 0.9

Json = bool | int | float | str | list["Json"] | dict[str, "Json"] | None
Range = dict[str, Any]


def write_atomically(path: Path, content: Json) -> None:
    """Give a file its content and its name in one step."""
    new = path.with_name(f".{path.name}.own")
    new.write_text(json.dumps(content))
    new.replace(path)


def note(journal: Path, line: str) -> None:
    """Add a line to a file that others add lines to as well."""
    handle = os.open(journal, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    os.write(handle, f"{line}\n".encode())
    os.close(handle)


def next_ranges(place: Path, job: str) -> list[Range]:
    """What stands there, or comes when it is asked for; empty if there is no more."""
    ranges = place / "JobsEventRanges.json"
    if not ranges.exists():
        write_atomically(place / "worker_requestevents.json", {job: {"pandaID": int(job), "nRanges": _AT_ONCE}})
    until = time.monotonic() + _PATIENCE
    while not ranges.exists() and time.monotonic() < until:
        time.sleep(_GLANCE)
    given: list[Range] = json.loads(ranges.read_text())[job]
    ranges.unlink()
    return given


def all_ranges(place: Path, job: str) -> Iterator[list[Range]]:
    """Bunch after bunch, until there is no more."""
    while given := next_ranges(place, job):
        yield given


def process(place: Path, given: list[Range], journal: Path) -> list[Json]:
    """Work on each range."""
    for each in given:
        note(journal, f"{each['eventRangeID']} {os.getpid()}")
    return [value_point(place, each) if "hp_point" in each else write_output(place, each) for each in given]


def write_output(place: Path, given: Range) -> Json:
    """Process events."""
    name = f"event.{given['eventRangeID']}.root"
    (place / name).write_text(given["eventRangeID"])
    return {"path": name, "type": "es_output", "eventStatus": "finished", "eventRangeID": given["eventRangeID"]}


def value_point(place: Path, given: Range) -> Json:
    """Find the loss of a point, or get half of the way to it."""
    x: float = given["hp_point"]["parameters"]["x"]
    if x >= _TOO_LARGE_FOR_ONE and "checkpoint" not in given:
        task, _, _, point, _ = given["eventRangeID"].split("-")
        (place / f"{task}_{point}").write_text(str(x / 2))
        return {"path": f"{task}_{point}", "type": "checkpoint"}
    loss = float(Path(given["checkpoint"]).read_text()) if "checkpoint" in given else x
    return {"eventRangeID": given["eventRangeID"], "eventStatus": "finished", "loss": loss}


def tell(place: Path, job: str, entries: list[Json]) -> None:
    """Wait until the last list was taken, so that none is overwritten."""
    dump = place / "event_status.dump.json"
    until = time.monotonic() + _PATIENCE
    while dump.exists() and time.monotonic() < until:
        time.sleep(_GLANCE)
    write_atomically(dump, {job: entries})


def main() -> None:
    """Run the job of the access point."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--journal", type=Path, required=True)
    journal = parser.parse_args().journal
    place = Path.cwd()
    ((job, _),) = json.loads((place / "pandaJobData.out").read_text()).items()
    for given in all_ranges(place, job):
        tell(place, job, process(place, given, journal))
    write_atomically(place / "worker_attributes.json", {job: {"jobStatus": "finished"}})


if __name__ == "__main__":
    main()
