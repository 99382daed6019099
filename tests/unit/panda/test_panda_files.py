"""Files that are put to the server and read there again."""

import io
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest
from hypothesis import given
from hypothesis import strategies as st
from panda_tools import request

from harvester.panda import Credentials, PandaRefused, PandaUnavailable
from harvester.panda.devserver import DevControl, DevServer
from harvester.panda.devserver.access import Access
from harvester.panda.devserver.faults import FaultKind
from harvester.panda.devserver.forms import files_of
from harvester.panda.file_server import FileServer
from moving_clock import MovingClock

UPLOADED = "file_server/upload_jedi_log"


NAME = "h__1.out"


@pytest.fixture
def files(server: DevServer) -> Iterator[FileServer]:
    with FileServer(server.url, Credentials(), timeout=10) as caller:
        yield caller


def test_a_later_log_takes_the_place_of_an_earlier_one(server: DevServer, files: FileServer):
    for content in (b"short", b"\x00\xff\r\n--longer\r\n" * 50_000):
        assert files.upload_log(NAME, io.BytesIO(content)) == "jedilog/h__1.out"
        assert httpx2.get(f"{server.origin}/cache/jedilog/h__1.out").content == content
    assert httpx2.get(f"{server.origin}/cache/jedilog/h__2.out").status_code == 404


@pytest.mark.parametrize("kind", [FaultKind.HTTP_500, FaultKind.HTML, FaultKind.DROP_AFTER, FaultKind.HALF_BODY])
def test_what_failed_is_not_repeated_with_the_file_in_hand(files: FileServer, control: DevControl, kind: FaultKind):
    control.fault(kind, UPLOADED, count=1)
    with pytest.raises(PandaUnavailable):
        files.upload_log(NAME, io.BytesIO(b"text"))
    assert files.upload_log(NAME, io.BytesIO(b"text"))


def test_who_may_not_is_refused(clock: MovingClock):
    with (
        DevServer(access=Access(is_open=False), clock=clock) as server,
        FileServer(server.url, Credentials(), timeout=10) as files,
        pytest.raises(PandaRefused, match="SSL secure connection"),
    ):
        files.upload_log(NAME, io.BytesIO(b"text"))


@pytest.mark.parametrize(
    ("answer", "place"),
    [
        ('"https://h:1/cache/jedilog/h__1.out"', "jedilog/h__1.out"),
        ('"https://h:1/cache/h__1.out"', "h__1.out"),
        ('"https://h:1/cache/../secret/h__1.out"', "h__1.out"),
        ('"http://["', "h__1.out"),
        ("null", "h__1.out"),
        ("[1]", "h__1.out"),
    ],
)
def test_the_answer_says_at_most_in_which_folder_the_log_is(answer: str, place: str):
    said = httpx2.MockTransport(
        lambda _: httpx2.Response(200, content=f'{{"success": true, "message": "", "data": {answer}}}')
    )
    with FileServer("http://h/api/v1", Credentials(), timeout=1, transport=said) as files:
        assert files.upload_log(NAME, io.BytesIO(b"text")) == place


@given(st.binary(max_size=300))
def test_a_form_gives_its_file_back(content: bytes):
    sent = httpx2.Request("POST", "http://h/", files={"file": (NAME, content)})
    found = files_of(sent.headers["Content-Type"], sent.read())
    assert found == {"file": {"filename": NAME, "content": content.decode("latin-1")}}


@pytest.mark.parametrize("kind", ["multipart/form-data", "text/plain", "multipart/mixed; boundary=x"])
def test_what_is_no_form_with_files_has_no_arguments(server: DevServer, kind: str):
    _, answer = request(server.url, "POST", UPLOADED, b"--x\r\n\r\ntext\r\n--x--", kind, Accept="application/json")
    assert b"missing a required argument: 'file'" in answer


def test_files_outlive_the_server(tmp_path: Path, clock: MovingClock):
    with (
        DevServer(state_file=tmp_path / "s", clock=clock) as server,
        FileServer(server.url, Credentials(), timeout=10) as files,
    ):
        files.upload_log(NAME, io.BytesIO(b"\xfftext"))
    with DevServer(state_file=tmp_path / "s", clock=clock) as server:
        assert httpx2.get(f"{server.origin}/cache/jedilog/h__1.out").content == b"\xfftext"
