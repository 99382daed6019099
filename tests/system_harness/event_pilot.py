"""A pilot that processes event ranges: it asks for them, works on each, and tells how each ended, all by files.

`python3 event_pilot.py --journal FILE`, started in the access point. Every range gets a line in the journal.
"""

import argparse
import json
import os
import time
from collections.abc import Iterator
from pathlib import Path

_AT_ONCE = 3
_GLANCE = 0.05
_PATIENCE = 120.0

Json = bool | int | float | str | list["Json"] | dict[str, "Json"] | None


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


def next_ranges(place: Path, job: str) -> list[dict[str, str]]:
    """What stands there, or comes when it is asked for; empty if there is no more."""
    ranges = place / "JobsEventRanges.json"
    if not ranges.exists():
        write_atomically(place / "worker_requestevents.json", {job: {"pandaID": int(job), "nRanges": _AT_ONCE}})
    until = time.monotonic() + _PATIENCE
    while not ranges.exists() and time.monotonic() < until:
        time.sleep(_GLANCE)
    given: list[dict[str, str]] = json.loads(ranges.read_text())[job]
    ranges.unlink()
    return given


def all_ranges(place: Path, job: str) -> Iterator[list[dict[str, str]]]:
    """Bunch after bunch, until there is no more."""
    while given := next_ranges(place, job):
        yield given


def process(place: Path, given: list[dict[str, str]], journal: Path) -> list[Json]:
    """Write an output for each range."""
    entries: list[Json] = []
    for each in given:
        name = f"event.{each['eventRangeID']}.root"
        (place / name).write_text(each["eventRangeID"])
        note(journal, f"{each['eventRangeID']} {os.getpid()}")
        entries.append({"path": name, "type": "es_output", "eventStatus": "finished", **_id(each)})
    return entries


def _id(given: dict[str, str]) -> dict[str, Json]:
    return {"eventRangeID": given["eventRangeID"]}


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
