"""Complaints become messages of the server: once, in sets, without secrets."""

import json
import logging
from collections.abc import Iterator
from typing import Any, cast

import pytest
import structlog
from world import World

from harvester.agents.dialogs import DialogBuffer
from harvester.agents.service_propagator import ServicePropagator
from harvester.config.instance_sections import LoggerSettings, Master, Pandacon
from harvester.config.service import Settings
from harvester.core.dialogs import Dialog, DialogLevel
from harvester.logs import area_of_record, set_up_logs
from harvester.panda.devserver import DevControl
from harvester.panda.errors import PandaRefused, PandaUnavailable
from harvester.store import dialogs, measurements
from harvester.store.engine import Database, StoreUnavailableError, sqlite_url
from moving_clock import NOW, MovingClock


@pytest.fixture
def buffer(clock: MovingClock, monkeypatch: pytest.MonkeyPatch) -> Iterator[DialogBuffer]:
    """Listens to all lines, with logs set up as in the service."""
    ours = logging.getLogger("harvester")
    monkeypatch.setattr(logging.getLogger(), "handlers", [])
    set_up_logs(
        Settings(
            master=Master(harvester_id="unit"),
            pandacon=Pandacon(server_api_url_ssl="http://127.0.0.1:9/api/v1"),
            logger=LoggerSettings(),
        )
    )
    listening = DialogBuffer("WARNING", area_of_record, clock)
    ours.addHandler(listening)
    yield listening
    ours.removeHandler(listening)


def log(module: str = "agents.submitter") -> Any:  # noqa: ANN401 (structlog's own type is as wide)
    return structlog.get_logger(f"harvester.{module}")


def waiting(world: World, limit: int = 2000) -> list[Dialog]:
    with world.db.read() as connection:
        return [each for _, each in dialogs.oldest(connection, limit)]


@pytest.mark.shows("propagator.minMessageLevel")
def test_a_complaint_says_who_about_what_and_how_bad(world: World, buffer: DialogBuffer):
    log().warning("submission failed", queue="SITE_A", worker=17, error="no route to host")
    log("plugins.slurm.cluster").error("listing failed")
    log().info("nothing to see")
    buffer.write(world.db)
    assert waiting(world) == [
        Dialog(
            NOW,
            "submitter",
            "queue=SITE_A worker=17",
            DialogLevel.WARNING,
            "submission failed; error=no route to host",
        ),
        Dialog(NOW, "slurm", "", DialogLevel.ERROR, "listing failed"),
    ]


def test_of_an_exception_its_last_line_is_told(world: World, buffer: DialogBuffer):
    try:
        int("x")
    except ValueError:
        log().exception("plugin failed", plugin="Fake")
    buffer.write(world.db)
    (told,) = waiting(world)
    assert told.message == "plugin failed; plugin=Fake; ValueError: invalid literal for int() with base 10: 'x'"


def test_a_complaint_is_told_once_an_hour(world: World, buffer: DialogBuffer, clock: MovingClock):
    for _ in range(3):
        log().warning("away")
        buffer.write(world.db)
        clock.forward(minutes=25)
    assert len(waiting(world)) == 1
    log().warning("away")
    buffer.write(world.db)
    assert [each.at for each in waiting(world)] == [clock()], "the first one has been dropped after an hour"


def test_secrets_are_not_told(world: World, buffer: DialogBuffer):
    log().warning("refused", auth_token="hush1", error="https://me:hush2@host")
    buffer.write(world.db)
    assert "hush" not in repr(waiting(world))


def test_a_flood_is_bounded_and_nothing_is_written_line_by_line(world: World, buffer: DialogBuffer):
    for number in range(5000):
        log().warning("flood", number=number)
    assert waiting(world) == []
    buffer.write(world.db)
    assert len(waiting(world)) == 500
    for start in range(5000, 9000, 500):
        for number in range(start, start + 500):
            log().warning("flood", number=number)
        buffer.write(world.db)
    assert len(waiting(world)) == 1000


def test_what_the_database_does_not_take_waits(
    world: World, buffer: DialogBuffer, tmp_path_factory: pytest.TempPathFactory
):
    away = Database(sqlite_url(tmp_path_factory.mktemp("away") / "nowhere" / "harvester.db"))
    log().warning("away")
    with pytest.raises(StoreUnavailableError):
        buffer.write(away)
    buffer.write(world.db)
    assert [each.message for each in waiting(world)] == ["away"]
    away.close()


# ---- on to the server ------------------------------------------------------------------------------------------------


def instance_of(control: DevControl) -> dict[str, Any]:
    (known,) = control.instances()
    return cast("dict[str, Any]", known)


@pytest.mark.shows("propagator.maxDialogs")
def test_the_server_gets_each_message_once_and_so_many_at_a_time(served: World, control: DevControl):
    served.configure(propagator={"maxDialogs": 2})
    texts = ["one", "two", "three"]
    told = [Dialog(NOW, "submitter", "queue=Q", DialogLevel.ERROR, text) for text in texts]
    with served.db.write() as connection:
        dialogs.add(connection, told, NOW)
    reporter = ServicePropagator(served.instance)
    reporter.round()
    assert len(instance_of(control)["dialogs"]) == 2
    reporter.round()
    reporter.round()
    known = instance_of(control)["dialogs"]
    assert [each["diagMessage"] for each in known.values()] == texts
    assert next(iter(known.values())) == {
        "diagID": 1,
        "moduleName": "submitter",
        "identifier": "queue=Q",
        "creationTime": "2026-08-10 07:00:00.000000",
        "messageLevel": "ERROR",
        "diagMessage": "one",
    }
    assert waiting(served) == []
    with served.db.write() as connection:
        dialogs.add(connection, told[:1], NOW)
    reporter.round()
    assert len(instance_of(control)["dialogs"]) == 4, "the numbers of messages that were told are not used again"


def test_measurements_are_reported_once(served: World, control: DevControl):
    with served.db.write() as connection:
        measurements.add(connection, "here", {"rss_mib": 1.5, "cert_lifetime": {"/proxy": 81}}, NOW)
    reporter = ServicePropagator(served.instance)
    reporter.round()
    reporter.round()
    ((at, host, text),) = instance_of(control)["metrics"]
    assert (at, host) == ("2026-08-10 07:00:00.000000", "here")
    assert json.loads(text) == {"rss_mib": 1.5, "cert_lifetime": {"/proxy": 81}}


def test_measurements_that_the_server_refuses_do_not_hold_up_messages(served: World, control: DevControl):
    with served.db.write() as connection:
        measurements.add(connection, "here", {"rss_mib": 1.5}, NOW)
        dialogs.add(connection, [Dialog(NOW, "m", "", DialogLevel.INFO, "text")], NOW)
    control.fault("refuse", "harvester/update_service_metrics", count=1)
    reporter = ServicePropagator(served.instance)
    with pytest.raises(PandaRefused):
        reporter.round()
    assert len(instance_of(control)["dialogs"]) == 1
    reporter.round()
    assert len(instance_of(control)["metrics"]) == 1


def test_what_the_server_did_not_take_is_told_again(served: World, control: DevControl):
    with served.db.write() as connection:
        measurements.add(connection, "here", {"rss_mib": 1.5}, NOW)
        dialogs.add(connection, [Dialog(NOW, "m", "", DialogLevel.INFO, "text")], NOW)
    control.fault("http_500", "harvester/update_service_metrics", count=1)
    control.fault("drop_after", "harvester/add_dialogs", count=1)
    reporter = ServicePropagator(served.instance)
    for _ in range(2):
        with pytest.raises(PandaUnavailable):
            reporter.round()
    reporter.round()
    assert len(instance_of(control)["metrics"]) == 1
    assert len(instance_of(control)["dialogs"]) == 1, "a message that is told twice has the same number"
