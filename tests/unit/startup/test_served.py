"""The application answers from the first moment on, and its service starts and ends behind it."""

import io
import json
import logging
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
import structlog

from harvester.panda.devserver import DevServer
from harvester.service import Harvester
from harvester.startup.loading import load
from harvester.startup.served import Served
from harvester.startup.starting import start
from waiting import until

CALL = b'{"methodName": "test", "workerID": 123, "data": "none"}'


@pytest.fixture
def config(tmp_path: Path) -> Iterator[Path]:
    file = tmp_path / "panda_harvester.cfg"
    with DevServer() as server:
        file.write_text(
            f"[master]\nharvester_id = served\nworkDir = {tmp_path}/work\n[frontend]\ntype = apache\n"
            f"authEnable = False\n[pandacon]\nserver_api_url_ssl = {server.url}\n"
        )
        (tmp_path / "panda_queueconfig.json").write_text("{}")
        yield file


def ask(served: Served) -> tuple[str, str]:
    """Status and text of the documented test of the door."""
    told: list[str] = []
    environ: dict[str, object] = {
        "REQUEST_METHOD": "POST",
        "SCRIPT_NAME": "",
        "PATH_INFO": "/entry",
        "QUERY_STRING": "",
        "SERVER_NAME": "localhost",
        "SERVER_PORT": "80",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "REMOTE_ADDR": "127.0.0.1",
        "CONTENT_TYPE": "application/json",
        "CONTENT_LENGTH": str(len(CALL)),
        "wsgi.url_scheme": "http",
        "wsgi.input": io.BytesIO(CALL),
        "wsgi.errors": io.StringIO(),
    }
    body = b"".join(served(environ, lambda status, _headers: told.append(status)))  # type: ignore[arg-type]  # as much as WSGI asks for here
    return told[0], body.decode()


def until_served(served: Served) -> tuple[str, str]:
    """The first answer that is not that it is too early."""
    return until(lambda: ask(served), lambda answer: not answer[0].startswith("503"))


def owners(config: Path) -> int:
    with closing(sqlite3.connect(config.parent / "work" / "harvester.db")) as db:
        (number,) = db.execute("SELECT count(*) FROM owners").fetchone()
        return int(number)


def test_it_answers_before_and_after_the_start_and_gives_back_its_claims(config: Path):
    served = Served(load([config], None), 5.0)
    assert ask(served) == ("503 Service Unavailable", "Harvester is starting, or waits for its database\n")
    served.start()
    assert until_served(served) == ("400 Bad Request", "workerID=123 not found in DB")
    assert owners(config) == 1
    served.stop()
    served.stop()
    assert owners(config) == 0


@pytest.mark.parametrize("messenger", ["shared_file", "http"])
def test_what_is_missing_is_told_and_waited_for_by_the_agents_too_if_workers_come_to_the_door(
    config: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch, messenger: str
):
    queue = {"mapType": "OneToOne", "messenger": {"plugin": messenger, "accessPoint": "/tmp/${workerID}"}}
    blocks = {block: {"plugin": "dummy"} for block in ("submitter", "monitor", "sweeper", "preparator", "stager")}
    (config.parent / "panda_queueconfig.json").write_text(json.dumps({"Q": {**queue, **blocks}}))
    monkeypatch.setattr("harvester.startup.served._RETRY_SECONDS", 0.1)
    structlog.configure(logger_factory=structlog.stdlib.LoggerFactory())
    config.write_text(config.read_text().replace("authEnable = False", f"secretFile = {config.parent}/door.key"))
    served = Served(load([config], None), 5.0)
    with caplog.at_level(logging.ERROR):
        served.start()
        until(lambda: "door.key" in caplog.text, what="a word on the missing key")
    assert ask(served)[0] == "503 Service Unavailable"
    assert (config.parent / "work" / "harvester.db").exists() == (messenger != "http")
    (config.parent / "door.key").write_text("k" * 40)
    (config.parent / "door.key").chmod(0o600)
    until_served(served)
    served.stop()
    assert owners(config) == 0


@pytest.mark.parametrize("bug", [OSError("no space left on device"), SystemExit("a plugin that is a script at heart")])
def test_what_nobody_has_thought_of_is_told_and_the_start_tried_again(
    config: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch, bug: Exception | SystemExit
):
    monkeypatch.setattr("harvester.startup.served._RETRY_SECONDS", 0.1)
    structlog.configure(logger_factory=structlog.stdlib.LoggerFactory())
    bugs = [bug]

    def stumble_once(*told: object) -> Harvester:
        if bugs:
            raise bugs.pop()
        return start(*told)  # type: ignore[arg-type]  # what it is called with is passed on

    monkeypatch.setattr("harvester.startup.served.start", stumble_once)
    served = Served(load([config], None), 5.0)
    with caplog.at_level(logging.ERROR):
        served.start()
        until_served(served)
    served.stop()
    assert "cannot start, it is tried again" in caplog.text
