"""What the information system says of queues is read whatever stands in its document."""

import copy
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harvester.core.facts import ComputingElement, QueueFacts, read_queues, whole_number

ENTRY: dict[str, Any] = {
    "nickname": "SITE_A",
    "panda_resource": "SITE_A_RES",
    "pilot_manager": "Harvester",
    "harvester": "me",
    "status": "Online",
    "type": "production",
    "workflow": "pull_ups",
    "harvester_template": "",
    "capability": "ucore",
    "catchall": "useMaxRam,per_core_attr, singularity=x",
    "corecount": 8,
    "maxrss": "2000",
    "minrss": 0,
    "maxwdir": 15000,
    "maxtime": 345600.0,
    "pilot_version": 3,
    "params": {"nQueueLimitWorker": "20", "pilot_url": "http://x"},
    "queues": [{"ce_endpoint": "ce:9619", "ce_state": "active", "ce_queue_id": 7, "ce_flavour": "HTCONDOR-CE"}, 3, {}],
}


def facts_of(**changes: Any) -> QueueFacts:  # noqa: ANN401 (anything may stand in a document)
    return read_queues({"SITE_A": ENTRY | changes}, "me").by_name["SITE_A"]


def test_an_entry_is_read():
    facts = facts_of()
    assert (facts.name, facts.resource, facts.status, facts.pilot_version) == ("SITE_A", "SITE_A_RES", "online", "3")
    assert facts.is_ours
    assert facts.is_unified
    assert facts.is_pull_ups
    assert facts.uses_max_ram
    assert not facts.is_grandly_unified
    assert facts.max_time == 345600
    assert facts.number("nQueueLimitWorker") == 20
    assert facts.number("pilot_url") is None
    assert facts.elements == (ComputingElement("ce:9619", "htcondor-ce", "ACTIVE", queue_id=7),)


def test_sizes_per_core_are_multiplied_once_and_never_in_the_document():
    document = {"SITE_A": copy.deepcopy(ENTRY)}
    first, second = (read_queues(document, "me").by_name["SITE_A"] for _ in range(2))
    assert (first.max_rss, first.min_rss, first.max_wdir) == (16000, None, 120000)
    assert first == second
    assert document == {"SITE_A": ENTRY}
    assert facts_of(catchall="").max_rss == 2000
    assert facts_of(corecount=None).max_rss == 2000


@pytest.mark.parametrize(
    ("changes", "attribute", "value"),
    [
        ({"pilot_manager": "APF"}, "is_ours", False),
        ({"harvester": "other"}, "is_ours", False),
        ({"capability": "mcore"}, "is_unified", False),
        ({"capability": "mcore"}, "is_pull_ups", False),
        ({"workflow": "push"}, "is_pull_ups", False),
        ({"type": "unified"}, "is_grandly_unified", True),
        ({"catchall": "grandly_unified"}, "is_grandly_unified", True),
        ({"catchall": "not_grandly_unified_at_all"}, "is_grandly_unified", False),
        ({"corecount": "many"}, "core_count", None),
        ({"corecount": True}, "core_count", None),
        ({"maxtime": -1}, "max_time", None),
        ({"status": ["online"]}, "status", ""),
        ({"params": "none"}, "params", {}),
        ({"queues": "none"}, "elements", ()),
        ({"panda_resource": None}, "resource", "SITE_A"),
    ],
)
def test_fields(changes: dict[str, Any], attribute: str, value: object):
    assert getattr(facts_of(**changes), attribute) == value


def test_a_bad_entry_loses_only_itself():
    book = read_queues({"SITE_A": ENTRY, "B": 7, "C": {"nickname": "X"}, "": {"nickname": ""}}, "me")
    assert list(book.by_name) == ["SITE_A"]
    assert set(book.problems) == {"B", "C", ""}
    assert "'X'" in book.problems["C"]
    assert read_queues([ENTRY], "me").problems == {"": "must be a JSON object of queues"}


def test_a_queue_is_found_by_resource_by_name_and_without_its_resource_type():
    twin = ENTRY | {"nickname": "SITE_B"}
    book = read_queues({"SITE_A": ENTRY, "SITE_B": twin}, "me")
    assert {name: found.name for name in ("SITE_A_RES", "SITE_B", "SITE_A/SCORE") if (found := book.find(name))} == {
        "SITE_A_RES": "SITE_A",
        "SITE_B": "SITE_B",
        "SITE_A/SCORE": "SITE_A",
    }
    assert book.find("ELSEWHERE") is None


def test_numbers_that_no_computer_can_hold_are_no_numbers():
    assert [whole_number(each) for each in (2**60, "9" * 19, 1e300, float("nan"), "7.00", " 8 ", 1.5)] == [
        *(None,) * 4,
        7,
        8,
        None,
    ]


leaves = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20)
documents = st.recursive(
    leaves, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner), max_leaves=9
)


@given(entry=st.dictionaries(st.sampled_from(sorted(ENTRY)), documents), rest=documents)
def test_no_document_is_too_strange(entry: dict[str, Any], rest: Any):  # noqa: ANN401 (see above)
    read_queues(rest, "me")
    book = read_queues({"SITE_A": ENTRY | entry | {"nickname": "SITE_A"}, "OTHER": ENTRY | {"nickname": "OTHER"}}, "me")
    assert set(book.by_name) == {"SITE_A", "OTHER"}
    assert json.dumps(sorted(book.by_name["SITE_A"].catchall))
