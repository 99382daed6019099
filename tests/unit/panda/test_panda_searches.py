"""iDDS and checkpoints, as a client of theirs finds them."""

import io
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest

from harvester.core.samples import SamplePoint
from harvester.panda import Credentials, PandaRefused, PandaUnavailable
from harvester.panda.auth import AuthType, HostTable
from harvester.panda.checkpoints import Acquaintances, Checkpoints, NoCheckpointError
from harvester.panda.devserver import DevControl, DevServer
from harvester.panda.idds import Idds

TASK = 41
POINT = SamplePoint(TASK, "3")


@pytest.fixture
def idds(server: DevServer) -> Iterator[Idds]:
    asked = Idds(server.origin, Credentials(), timeout=5)
    yield asked
    asked.close()


@pytest.fixture
def search(control: DevControl) -> None:
    control.add_jobs([{"site": "SITE_A", "taskID": TASK, "hp_points": [3, 4]}])


@pytest.fixture
def checkpoints(server: DevServer) -> Iterator[Checkpoints]:
    kept = Checkpoints(Acquaintances(server.url, Credentials(), {}), timeout=5)
    yield kept
    kept.close()


def fetched(checkpoints: Checkpoints, server: DevServer, point: SamplePoint = POINT) -> bytes:
    target = io.BytesIO(b"what an attempt before has left")
    checkpoints.fetch(server.origin, point, target)
    return target.getvalue()


# ---- iDDS ------------------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("search")
def test_idds_tells_what_a_point_is(idds: Idds):
    assert idds.point(POINT) == {"id": 3, "parameters": {"x": 0.3}, "loss": None}


@pytest.mark.usefixtures("search")
def test_a_point_that_idds_does_not_know_is_refused(idds: Idds):
    with pytest.raises(PandaRefused, match="knows no point 9 of task 41"):
        idds.point(SamplePoint(TASK, "9"))


@pytest.mark.usefixtures("search")
def test_a_loss_may_be_told_twice(idds: Idds, control: DevControl):
    for loss in (0.25, 0.25, 1e-20):
        idds.tell_loss(POINT, loss)
    assert control.points(TASK)[0]["losses"] == [0.25, 0.25, 1e-20]


def test_a_loss_of_an_unknown_point_is_refused(idds: Idds):
    with pytest.raises(PandaRefused, match="refuses the loss"):
        idds.tell_loss(POINT, 0.5)


@pytest.mark.parametrize(("fault", "words"), [("http_500", "HTTP 500"), ("half_body", "broke")])
@pytest.mark.usefixtures("search")
def test_idds_that_is_sick_is_to_be_asked_again(idds: Idds, control: DevControl, fault: str, words: str):
    control.fault(fault, "idds", count=1)
    with pytest.raises(PandaUnavailable, match=words):
        idds.point(POINT)
    assert idds.point(POINT)["id"] == 3


def test_a_server_that_is_no_idds_is_told_from_one(server: DevServer):
    idds = Idds(f"{server.origin}/cache", Credentials(), timeout=5)
    with pytest.raises(PandaUnavailable, match=r"HTTP 404.*iddsURL"):
        idds.point(POINT)
    idds.close()


# ---- checkpoints -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("ending", ["", "/", "/api/v1", "/api/v1/"])
@pytest.mark.usefixtures("search")
def test_a_checkpoint_comes_back_as_it_went(
    checkpoints: Checkpoints, server: DevServer, control: DevControl, tmp_path: Path, ending: str
):
    content = bytes(range(256)) * 5000 + b"\r\n--\r\n"
    (tmp_path / "point").write_bytes(content)
    with (tmp_path / "point").open("rb") as file:
        checkpoints.store(server.origin + ending, POINT, file)
    assert control.cached("hpo_cp_41_3") == content
    assert fetched(checkpoints, server) == content
    checkpoints.remove(server.origin, POINT)
    with pytest.raises(NoCheckpointError):
        fetched(checkpoints, server)


@pytest.mark.usefixtures("search")
def test_a_sick_server_is_tried_again_from_the_beginning(
    checkpoints: Checkpoints, server: DevServer, control: DevControl, tmp_path: Path
):
    (tmp_path / "point").write_bytes(b"0123456789" * 1000)
    control.fault("http_500", "file_server/upload_hpo_checkpoint", count=1)
    with (tmp_path / "point").open("rb") as file:
        checkpoints.store(server.origin, POINT, file)
    control.fault("half_body", "cache", count=1)
    assert fetched(checkpoints, server) == b"0123456789" * 1000
    control.fault("http_500", "cache")
    with pytest.raises(PandaUnavailable, match="HTTP 500"):
        fetched(checkpoints, server)


def test_a_checkpoint_server_that_is_not_there_is_named_by_the_job(checkpoints: Checkpoints, server: DevServer):
    server.stop()
    with pytest.raises(PandaUnavailable, match=r"no connection.*sourceURL of the job") as caught:
        fetched(checkpoints, server)
    assert "[pandacon]" not in str(caught.value)


def test_a_checkpoint_of_no_point_is_refused(checkpoints: Checkpoints, server: DevServer, tmp_path: Path):
    (tmp_path / "point").write_bytes(b"x")
    nameless = SamplePoint(TASK, "3_4")
    with (tmp_path / "point").open("rb") as file, pytest.raises(PandaRefused, match="task and sub IDs"):
        checkpoints.store(server.origin, nameless, file)


OWN = "https://panda.example.org:25443/api/v1"
TOKEN = Credentials(AuthType.OIDC, auth_token="t", auth_origin="vo")
KNOWN: HostTable = {"other.example.org:443": {"auth_token": "u"}}


@pytest.mark.parametrize(
    ("general", "url", "token"),
    [
        (TOKEN, "https://panda.example.org:8443", "t"),
        (TOKEN, "https://other.example.org", "u"),
        (Credentials(), "https://unknown.example.org", None),
        (Credentials(), "http://panda.example.org:25080", None),
    ],
)
def test_credentials_go_where_the_configuration_sends_them(general: Credentials, url: str, token: str | None):
    assert Acquaintances(OWN, general, KNOWN).credentials_for(url).auth_token == token


@pytest.mark.parametrize(
    ("general", "url"),
    [
        (TOKEN, "https://unknown.example.org"),
        (Credentials(), "http://unknown.example.org"),
        (TOKEN, "http://panda.example.org:25443"),
        (TOKEN, "http://other.example.org:443"),
    ],
)
def test_a_job_makes_harvester_show_no_token_to_strangers_or_in_plain_text(general: Credentials, url: str):
    with pytest.raises(PandaRefused, match="multihost_auth_config"):
        Acquaintances(OWN, general, KNOWN).credentials_for(url)


@pytest.mark.parametrize(
    "url", ["ftp://a", "nonsense", "https://user:secret@host", "http://user:secret@host", "https://"]
)
def test_an_address_that_is_none_is_refused(checkpoints: Checkpoints, url: str):
    with pytest.raises(PandaRefused) as caught:
        checkpoints.remove(url, POINT)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("path", ["idds/hpo/41", "idds/x/41/null/3/null/null", "cache/x", "cache/hpo_cp_41_9"])
def test_there_is_nothing_else(server: DevServer, path: str):
    assert httpx2.get(f"{server.origin}/{path}", trust_env=False).status_code == 404
