from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import JsonValue, ValidationError

from harvester.config.plugin_blocks import PluginBlock
from harvester.plugins.api import Done, Later, MissedLevel, PluginContext, QueueLoad, Throttler
from harvester.plugins.registry import Role, build
from harvester.plugins.throttlers.rules import Logic, verdict
from harvester.plugins.throttlers.simple import SimpleThrottler, SimpleThrottlerSettings
from harvester.plugins.throttlers.tiny import TinyThrottler, TinyThrottlerSettings

CONTEXT = PluginContext("cern", "Q", lambda: datetime(2026, 1, 1, tzinfo=UTC), Path("/nowhere"))
TEN_AT_SITE: JsonValue = {"level": "site", "timeWindow": 10, "maxMissed": 5}
HOUR_OF_QUEUE: JsonValue = {"level": "pq", "timeWindow": 60, "maxMissed": 100}


def simple(**block: JsonValue) -> SimpleThrottler:
    return SimpleThrottler(SimpleThrottlerSettings.model_validate(block), CONTEXT)


def tiny(**block: JsonValue) -> TinyThrottler:
    return TinyThrottler(TinyThrottlerSettings.model_validate(block), CONTEXT)


def missed(site: int = 0, queue: int = 0) -> QueueLoad:
    return QueueLoad({(MissedLevel.SITE, 10.0): site, (MissedLevel.QUEUE, 60.0): queue})


@pytest.mark.parametrize(
    ("logic", "load", "holds"),
    [
        ("OR", missed(), False),
        ("OR", missed(site=5, queue=100), False),
        ("OR", missed(site=6), True),
        ("OR", missed(queue=101), True),
        ("AND", missed(site=6), False),
        ("AND", missed(site=6, queue=101), True),
    ],
)
def test_failed_submissions_hold_back(logic: str, load: QueueLoad, *, holds: bool):
    rules: JsonValue = [TEN_AT_SITE, HOUR_OF_QUEUE]
    for throttler in (simple(logicType=logic, rulesForMissed=rules), tiny(logicType=logic, rulesForMissed=rules)):
        assert throttler.windows == {10.0, 60.0}
        (answer,) = throttler.judge([load])
        assert isinstance(answer, Later) == holds


def test_the_reason_names_the_rule():
    (answer,) = simple(rulesForMissed=[TEN_AT_SITE]).judge([missed(site=7)])
    assert answer == Later("7 submissions failed for this site within 10 minutes, more than maxMissed 5")


def test_the_simple_one_needs_rules():
    with pytest.raises(ValidationError, match="rulesForMissed"):
        simple()


@pytest.mark.parametrize("rule", [{"level": "town"}, {"timeWindow": 0}, {"maxMissed": -1}])
def test_rules_that_make_no_sense_are_refused(rule: dict[str, JsonValue]):
    with pytest.raises(ValidationError):
        simple(rulesForMissed=[{"level": "pq", "timeWindow": 60, "maxMissed": 100, **rule}])


@pytest.mark.parametrize(
    ("key", "rule", "load", "holds"),
    [
        ("rulesForSiteFamilySubmitted", {"level": "workers", "maxWorkers": 5}, QueueLoad(queued=4, running=9), False),
        ("rulesForSiteFamilySubmitted", {"level": "workers", "maxWorkers": 5}, QueueLoad(queued=5), True),
        ("rulesForSiteFamilyRunning", {"level": "workers", "maxWorkers": 5}, QueueLoad(queued=9, running=4), False),
        ("rulesForSiteFamilyRunning", {"level": "cores", "maxCores": 8}, QueueLoad(running=1, running_cores=8), True),
        (
            "rulesForSiteFamilySubmittedRunning",
            {"level": "cores", "maxCores": 8},
            QueueLoad(queued=1, queued_cores=4, running=1, running_cores=4),
            True,
        ),
        (
            "rulesForSiteFamilySubmittedRunning",
            {"level": "workers", "maxWorkers": 3},
            QueueLoad(queued=1, running=1),
            False,
        ),
    ],
)
def test_a_site_family_has_a_most(key: str, rule: JsonValue, load: QueueLoad, *, holds: bool):
    (answer,) = tiny(**{key: [rule]}).judge([load])
    assert isinstance(answer, Later) == holds


def test_without_rules_nothing_is_held_back():
    assert tiny(logicType="AND").judge([QueueLoad()]) == [Done()]


@pytest.mark.parametrize(
    ("module", "name"), [("simple_throttler", "SimpleThrottler"), ("tiny_throttler", "TinyThrottler")]
)
def test_upstream_names_are_known(module: str, name: str):
    block = PluginBlock(
        module=f"pandaharvester.harvesterthrottler.{module}", name=name, settings={"rulesForMissed": [TEN_AT_SITE]}
    )
    assert isinstance(build(Role.THROTTLER, block, CONTEXT), Throttler)


@settings(max_examples=2500)
@given(st.sampled_from(Logic), st.lists(st.sampled_from(["", "it is full"])))
def test_rules_go_together_as_their_logic_says(logic: Logic, reasons: list[str]):
    expected = any(reasons) if logic is Logic.ANY else bool(reasons) and all(reasons)
    assert isinstance(verdict(logic, reasons), Later) == expected
