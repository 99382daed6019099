"""Logs of workers on their way to the server: which, when, how much of them, and nothing else."""

import errno
import itertools
import os
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select
from test_agents_reporting import given_worker
from world import QUEUE, World

from harvester.agents.log_files import LARGEST, name_for, public_url, to_send
from harvester.agents.log_uploader import LogUploader
from harvester.agents.sweeper import Sweeper
from harvester.agents.worker_propagator import WorkerPropagator
from harvester.core.workers import WorkerStatus
from harvester.panda import Credentials
from harvester.panda.devserver import DevControl, DevServer
from harvester.panda.devserver.faults import FaultKind
from harvester.panda.file_server import FileServer
from harvester.store import workers
from harvester.store.schema import WorkerPhase, worker_logs
from harvester.store.schema import workers as worker_table
from moving_clock import NOW

UPLOADED = "file_server/upload_jedi_log"
PUBLIC = "https://logs.example.org/cache"


class Logging:
    """An instance whose queue uploads logs, and one worker of it that runs."""

    def __init__(self, world: World, server: DevServer) -> None:
        self.world = world
        self.place = world.directory / "access" / "1"
        self.place.mkdir(parents=True)
        self.out = self.place / "1.out"
        world.configure(pandacon={"server_api_url_ssl": server.url, "pandaCacheURL_R": PUBLIC})
        self.files = FileServer(server.url, Credentials(), timeout=10)
        world.instance = replace(world.instance, files=self.files)
        self.serve()
        given_worker(world, 1, status=WorkerStatus.RUNNING, access_point=str(self.place))
        self.change(started_at=NOW, log_urls={"stdOut": str(self.out), "jdl": str(self.place / "1.sh")})

    def serve(self, **submitter: object) -> None:
        self.world.serve(QUEUE, submitter={"plugin": "dummy", "uploadLog": True, **submitter})

    def change(self, **columns: object) -> None:
        with self.world.db.write() as connection:
            connection.execute(worker_table.update().values(**columns))

    def end(self) -> None:
        now = self.world.clock()
        self.change(status=WorkerStatus.FINISHED, phase=WorkerPhase.SWEEP, ended_at=now, report_due=now, due=now)

    def report(self) -> None:
        self.world.clock.forward(seconds=3)
        self.world.work(WorkerPropagator)

    def report_again(self) -> None:
        self.change(report_due=self.world.clock())
        self.report()

    def bring(self) -> int:
        return self.world.work(LogUploader)

    def rows(self) -> list[int]:
        with self.world.db.read() as connection:
            return list(connection.scalars(select(worker_logs.c.worker_id)))

    def due(self) -> float | None:
        """Seconds until the log is looked at again."""
        with self.world.db.read() as connection:
            due = connection.scalar(select(worker_logs.c.due))
        return None if due is None else (due - self.world.clock()).total_seconds()


@pytest.fixture
def logging(served: World, server: DevServer) -> Iterator[Logging]:
    made = Logging(served, server)
    with made.files:
        yield made


def uploads(control: DevControl) -> list[str]:
    """What the server was sent, as it notes it."""
    return [f"{note['key']}: {note['detail']}" for note in control.journal() if note["kind"] == "file"]


def std_out(control: DevControl) -> object:
    (known,) = control.workers()
    fields = known["fields"]
    assert isinstance(fields, dict)
    return fields.get("stdOut")


@pytest.mark.shows("pandacon.pandaCacheURL_R", "block submitter.uploadLog")
def test_a_log_is_sent_when_its_worker_is_reported_and_told_of_then(logging: Logging, control: DevControl):
    logging.out.write_text("begun\n")
    logging.report()
    assert std_out(control) is None
    assert logging.bring() == 1
    assert uploads(control) == ["jedilog/test__1.out: 6 bytes"]
    logging.report()
    assert std_out(control) == f"{PUBLIC}/jedilog/test__1.out"
    assert logging.bring() == 1
    assert len(uploads(control)) == 1
    assert logging.due() is None


def test_a_log_that_grows_replaces_what_was_sent_of_it_and_the_last_state_is_sent(
    logging: Logging, control: DevControl
):
    logging.out.write_text("begun\n")
    logging.report()
    logging.bring()
    logging.report()
    logging.out.write_text("begun\nended\n")
    logging.end()
    logging.report()
    logging.bring()
    assert uploads(control) == ["jedilog/test__1.out: 6 bytes", "jedilog/test__1.out: 12 bytes"]
    assert logging.rows() == []
    logging.report()
    assert logging.bring() == 0


def test_a_log_that_is_not_there_yet_or_empty_is_waited_for(logging: Logging, control: DevControl):
    logging.report()
    logging.bring()
    logging.out.touch()
    logging.report_again()
    logging.bring()
    assert uploads(control) == []
    assert logging.rows() == [1]
    assert logging.due() is None


@pytest.mark.parametrize("config", [{"uploadLog": False}, {"uploadLog": None}])
def test_a_queue_that_does_not_ask_for_it_uploads_nothing(
    logging: Logging, control: DevControl, config: dict[str, object]
):
    logging.serve(**config)
    logging.out.write_text("text")
    logging.report()
    assert logging.bring() == 0
    assert std_out(control) == str(logging.out)


def test_logs_that_a_web_server_gives_out_are_left_alone(logging: Logging, control: DevControl):
    logging.change(log_urls={"stdOut": "https://ce.example.org/1.out"})
    logging.report()
    logging.bring()
    assert std_out(control) == "https://ce.example.org/1.out"
    assert uploads(control) == []


def make_link(out: Path, secret: Path) -> None:
    out.symlink_to(secret)


def make_second_name(out: Path, secret: Path) -> None:
    os.link(secret, out)


def make_pipe(out: Path, _secret: Path) -> None:
    os.mkfifo(out)


def make_directory(out: Path, _secret: Path) -> None:
    out.mkdir()


@pytest.mark.parametrize("make", [make_link, make_second_name, make_pipe, make_directory])
def test_what_is_no_ordinary_file_of_the_access_point_is_not_sent(
    logging: Logging, control: DevControl, make: Callable[[Path, Path], None]
):
    secret = logging.world.directory / "secret"
    secret.write_text("secret")
    make(logging.out, secret)
    logging.report()
    logging.bring()
    assert uploads(control) == []
    assert logging.due() is None


@pytest.mark.parametrize("path", ["/etc/passwd", "{place}/../../secret", "{place}", "relative", "/proc/self/environ"])
def test_what_is_outside_the_access_point_is_not_sent(logging: Logging, control: DevControl, path: str):
    (logging.world.directory / "secret").write_text("secret")
    logging.change(log_urls={"stdOut": path.replace("{place}", str(logging.place))})
    logging.report()
    logging.bring()
    assert uploads(control) == []


@pytest.mark.shows("block submitter.logDir")
def test_a_log_below_the_directory_of_logs_is_sent(logging: Logging, control: DevControl):
    logs = logging.world.directory / "logs"
    (logs / "today").mkdir(parents=True)
    log = logs / "today" / "batch.log"
    log.write_text("text")
    logging.serve(logDir=str(logs))
    logging.change(log_urls={"batchLog": str(log)})
    logging.report()
    logging.bring()
    assert uploads(control) == ["jedilog/test__1_batch.log: 4 bytes"]


@pytest.mark.parametrize("kind", [FaultKind.HTTP_500, FaultKind.REFUSE, FaultKind.HTML, FaultKind.DROP_AFTER])
def test_what_the_server_does_not_take_is_tried_again_at_growing_distances(
    logging: Logging, control: DevControl, kind: FaultKind
):
    control.fault(kind, method=UPLOADED)
    logging.out.write_text("text")
    logging.end()
    logging.report()
    pauses = []
    for _ in range(9):
        logging.bring()
        pauses.append(logging.due())
        logging.world.clock.forward(seconds=3600)
    assert pauses == [30, 60, 120, 240, 480, 960, 1800, 1800, 1800]
    control.clear_faults()
    logging.bring()
    assert uploads(control)[-1] == "jedilog/test__1.out: 4 bytes"
    assert logging.rows() == []


def test_while_the_server_is_in_trouble_other_logs_wait_without_being_tried(logging: Logging, control: DevControl):
    control.fault(FaultKind.HTTP_500, method=UPLOADED)
    for worker_id in range(2, 8):
        given_worker(logging.world, worker_id, status=WorkerStatus.RUNNING, access_point=str(logging.place))
    logging.out.write_text("text")
    logging.change(started_at=NOW, log_urls={"stdOut": str(logging.out)})
    logging.report()
    logging.bring()
    with logging.world.db.read() as connection:
        tries = list(connection.scalars(select(worker_logs.c.tries).order_by(worker_logs.c.worker_id)))
    assert tries == [1, 1, 1, 0, 0, 0, 0]


def test_news_of_the_worker_while_its_log_is_sent_make_it_due_again(logging: Logging, control: DevControl):
    logging.out.write_text("text")
    logging.report()
    uploader = LogUploader(logging.world.instance)
    (unit,) = logging.world.claim(uploader)
    brought = uploader.act(unit)
    logging.end()
    logging.report()
    logging.world.finish(uploader, unit, brought)
    assert logging.rows() == [1]
    assert logging.bring() == 1
    assert logging.rows() == []
    assert len(uploads(control)) == 1


def test_what_takes_longer_than_from_one_report_to_the_next_is_told_and_not_sent_again(
    logging: Logging, control: DevControl
):
    logging.out.write_text("text")
    logging.report()
    for _ in range(3):
        uploader = LogUploader(logging.world.instance)
        (unit,) = logging.world.claim(uploader)
        brought = uploader.act(unit)
        logging.report_again()
        logging.world.finish(uploader, unit, brought)
    logging.report()
    assert std_out(control) == f"{PUBLIC}/jedilog/test__1.out"
    assert len(uploads(control)) == 1


def test_what_the_server_can_be_told_does_not_wait_for_all_logs_of_a_slow_upload(logging: Logging, control: DevControl):
    for worker_id in range(2, 6):
        given_worker(logging.world, worker_id, status=WorkerStatus.RUNNING, access_point=str(logging.place))
    logging.out.write_text("text")
    logging.change(started_at=NOW, log_urls={"stdOut": str(logging.out)})
    logging.report()
    seconds = itertools.count(0, 25)
    logging.world.instance = replace(logging.world.instance, tick=lambda: float(next(seconds)))
    logging.bring()
    assert len(uploads(control)) == 3
    logging.world.clock.forward(seconds=10)
    logging.bring()
    assert len(uploads(control)) == 5


def test_a_log_that_cannot_be_read_now_is_tried_again(
    logging: Logging, control: DevControl, monkeypatch: pytest.MonkeyPatch
):
    def broken(*_: object) -> None:
        raise OSError(errno.EIO, "Input/output error")

    logging.out.write_text("text")
    logging.end()
    logging.report()
    with monkeypatch.context() as patch:
        patch.setattr("harvester.agents.log_uploader.open_log", broken)
        logging.bring()
    assert logging.due() == 30
    logging.world.clock.forward(seconds=30)
    logging.bring()
    assert uploads(control) == ["jedilog/test__1.out: 4 bytes"]
    assert logging.rows() == []


def test_a_worker_is_not_swept_before_its_log_is_sent(logging: Logging, control: DevControl):
    control.fault(FaultKind.HTTP_500, method=UPLOADED)
    logging.out.write_text("text")
    logging.end()
    logging.report()
    logging.bring()
    logging.world.clock.forward(days=2)
    assert logging.world.work(Sweeper) == 0
    control.clear_faults()
    logging.bring()
    logging.report()
    assert uploads(control)[-1] == "jedilog/test__1.out: 4 bytes"
    assert logging.world.work(Sweeper) == 1


def test_a_log_that_cannot_be_sent_keeps_no_worker_for_ever(logging: Logging, control: DevControl):
    control.fault(FaultKind.HTTP_500, method=UPLOADED)
    logging.out.write_text("text")
    logging.end()
    logging.report()
    logging.bring()
    logging.world.clock.forward(days=3)
    logging.world.work(Sweeper)
    with logging.world.db.read() as connection:
        assert workers.find(connection, [1]) == []
    assert logging.rows() == []


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("/a/7.out", "h__7.out"),
        ("/a/slurm-7.log", "h__slurm-7.log"),
        ("/a/17.out", "h__7_17.out"),
        ("/a/stdout", "h__7_stdout"),
        ("/a/o ut\n$(x)", "h__7_o_ut___x_"),
        ("/a/" + "x" * 300, "h__7_" + "x" * 145),
    ],
)
def test_the_server_is_told_names_that_tell_the_worker(path: str, name: str):
    assert name_for("h", 7, path) == name


@pytest.mark.parametrize(
    ("base", "place", "url"),
    [
        ("https://h/cache", "jedilog/n", "https://h/cache/jedilog/n"),
        ("https://h/cache/", "n", "https://h/cache/n"),
        ("https://h/cache/jedilog", "jedilog/n", "https://h/cache/jedilog/n"),
    ],
)
def test_where_a_log_can_be_read(base: str, place: str, url: str):
    assert public_url(base, place) == url


def test_of_a_very_long_log_the_end_is_sent(tmp_path: Path):
    path = tmp_path / "log"
    with path.open("wb") as file:
        file.truncate(LARGEST + 5)
        file.seek(0, os.SEEK_END)
        file.write(b"the end")
    with path.open("rb") as file:
        log = to_send(file)
        content = log.read()
        assert log.seek(0, os.SEEK_END) == len(content)
    assert content.startswith(b"[12 bytes before this are left out]\n\0")
    assert content.endswith(b"the end")


@given(st.binary(max_size=50), st.lists(st.integers(1, 20), max_size=9))
def test_of_a_log_that_grows_what_was_there_is_sent(before: bytes, pieces: list[int]):
    with tempfile.TemporaryFile() as file:
        file.write(before)
        file.flush()
        log = to_send(file)
        file.write(b"later")
        file.flush()
        assert b"".join(log.read(each) for each in pieces) + log.read() == before
        log.seek(0)
        assert log.read() == before


def test_a_log_that_becomes_shorter_while_it_is_sent_is_not_sent_half(tmp_path: Path):
    path = tmp_path / "log"
    path.write_bytes(b"1234")
    with path.open("rb") as file:
        log = to_send(file)
        path.write_bytes(b"1")
        with pytest.raises(OSError, match="became shorter"):
            log.read()
