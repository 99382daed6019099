"""No key of the earlier Harvester is ignored in silence: a test shows what it does, or it is said what replaces it."""

import json
from collections.abc import Sequence
from pathlib import Path

import proofs
import pytest
from compatibility import EARLIER, PAGE, Row, rows, up_to_date
from pydantic import JsonValue

from harvester.config.findings import Finding
from harvester.config.json_lines import parse_json
from harvester.config.queue_merge import TEMPLATE_FLAG
from harvester.config.queues import QueueSources, load_queues
from harvester.config.service import load_settings


def test_the_page_is_up_to_date():
    text = PAGE.read_text(encoding="utf-8")
    assert up_to_date(text) == text, "run: python tests/unit/docs/compatibility.py"


def test_every_key_of_the_earlier_harvester_is_known():
    known = {(row.section, row.key) for row in rows()} | {("queue", TEMPLATE_FLAG)}
    earlier = {(section, key) for section, keys in EARLIER.items() for key in keys}
    assert sorted(earlier - known) == []


def test_what_is_honoured_is_shown_by_a_test():
    unshown = [f"{row.section}.{row.key}" for row in rows() if row.is_honoured and not row.proof]
    assert unshown == [], 'mark a test of what the key does: @pytest.mark.shows("section.key")'


def test_marks_name_keys_that_there_are():
    known = {f"{row.section}.{row.key}" for row in rows()}
    assert sorted(proofs.tests_by_key().keys() - known) == []


REPLACED = [row for row in rows() if not row.is_honoured]
VALUES = [
    '\n  {"any":\n   {"k": 1}}',
    "1",
    "text",
    "/a/path",
    "True",
    "DEBUG",
    "http://host:80/path",
    "k=v",
    '\n  [{"module": "m",\n   "name": "n"}]',
]
JSON_VALUES: list[JsonValue] = [
    {"plugin": "dummy"},
    1,
    "text",
    True,
    {"any": 1},
    [{"module": "m", "name": "n"}],
    ["text"],
    "k=v",
]


@pytest.mark.parametrize("row", REPLACED, ids=lambda row: f"{row.section}.{row.key}")
def test_what_is_replaced_is_accepted(tmp_path: Path, row: Row):
    """There are values with which nothing is wrong with the key, and nobody calls it unknown."""
    found = [complaints(tmp_path, row, value) for value in (JSON_VALUES if is_of_queue(row) else VALUES)]
    assert [] in found, found[0]


def is_of_queue(row: Row) -> bool:
    return row.section == "queue" or row.section.startswith("block ")


def complaints(folder: Path, row: Row, value: JsonValue) -> list[Finding]:
    """What is said of the key when it has the value."""
    loaded = in_queue(row, value) if is_of_queue(row) else in_main_file(folder, row, str(value))
    return [each for each in loaded if each.key.split(".")[-1] == row.key]


def in_main_file(folder: Path, row: Row, value: str) -> Sequence[Finding]:
    place = folder / ("panda_common.cfg" if row.section == "logger" else "panda_harvester.cfg")
    place.write_text(f"[{row.section}]\n{row.key} = {value}\n")
    main = folder / "panda_harvester.cfg"
    main.touch()
    return load_settings([main], {"HOME": str(folder)}).findings


def in_queue(row: Row, value: JsonValue) -> Sequence[Finding]:
    role = row.section.removeprefix("block ")
    block: dict[str, JsonValue] = {"plugin": "dummy"}
    queue: dict[str, JsonValue] = {"submitter": block}
    if role == "queue":
        queue[row.key] = value
    else:
        queue[role] = {**block, row.key: value}
    document = parse_json(json.dumps({"Q": queue}), "queues.json")
    return load_queues(QueueSources(document), ["ALL"], work_dir=Path("/w")).findings
