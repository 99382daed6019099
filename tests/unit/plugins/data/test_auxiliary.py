"""Finding and bringing auxiliary inputs."""

import stat
import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from itertools import count
from pathlib import Path

import pytest

from harvester.core.files import File, FileKind, FileStatus
from harvester.plugins.api import AuxiliaryInput, Done, Extracted, Failed, Grouped, Later, Moved, PluginContext
from harvester.plugins.data.auxiliary import AuxiliaryPreparator, AuxiliarySettings
from harvester.plugins.data.extracting import AuxiliaryExtractor, ExtractorSettings
from harvester.plugins.data.rse_direct import RseDirectPreparator, RseSettings


@pytest.mark.parametrize(
    ("params", "urls", "more"),
    [
        ({}, [], {}),
        ({"transformation": "http://h/trf"}, ["http://h/trf"], {}),
        ({"transformation": "runScript.sh", "jobPars": "x -a box.tgz"}, [], {}),
        (
            {"jobPars": "x --sourceURL https://h -a box.tgz", "prodSourceLabel": "user"},
            ["https://h/cache/box.tgz"],
            {"sourceURL": "https://h"},
        ),
        (
            {"jobPars": "-i in.tgz -a box.tgz --sourceURL https://h", "prodSourceLabel": "managed"},
            ["https://h/cache/in.tgz"],
            {"sourceURL": "https://h"},
        ),
        ({"container_name": "r/i:1"}, ["docker://r/i:1"], {"container_name": "docker://r/i:1"}),
        ({"container_name": "docker://r/i"}, ["docker://r/i"], {"container_name": "docker://r/i"}),
        ({"container_name": "NULL", "jobPars": 7, "transformation": None}, [], {}),
    ],
)
def test_what_a_job_needs(context: PluginContext, params: dict, urls: list[str], more: dict):
    extractor = AuxiliaryExtractor(ExtractorSettings(containerPrefix="docker://"), context)
    expected = [AuxiliaryInput(url.rpartition("/")[2], url) for url in urls]
    assert extractor.extract([params]) == [Extracted(expected, more)]


def test_what_cannot_be_a_file_is_told(context: PluginContext):
    extractor = AuxiliaryExtractor(ExtractorSettings(), context)
    (answer,) = extractor.extract([{"container_name": ".."}])
    assert answer == Failed("it needs '..', which is no URL of a file")


# ---- bringing --------------------------------------------------------------------------------------------------------


class _Server(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response({"/gone": 404, "/sick": 503}.get(self.path.partition("?")[0], 200))
        self.end_headers()
        self.wfile.write(b"content")

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture(scope="module")
def web() -> Iterator[str]:
    server = HTTPServer(("127.0.0.1", 0), _Server)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def an_input(url: str, lfn: str = "file", **more: object) -> File:
    return File(1, 101, lfn, FileKind.AUX_INPUT, FileStatus.TO_PREPARE, scope="aux_input", url=url, **more)


class Bringing:
    def __init__(self, context: PluginContext, directory: Path, **settings: object) -> None:
        known = AuxiliarySettings.model_validate({"localBasePath": str(directory), **settings})
        self.plugin = AuxiliaryPreparator(known, context)
        self.place = directory / "aux_input"

    def trigger(self, file: File):
        (answer,) = self.plugin.trigger([file])
        return answer

    def check(self, file: File):
        (answer,) = self.plugin.check([file])
        return answer

    def there(self) -> list[str]:
        return sorted(each.name for each in self.place.iterdir()) if self.place.exists() else []


@pytest.fixture
def bringing(context: PluginContext, tmp_path: Path) -> Bringing:
    return Bringing(context, tmp_path)


def test_files_of_web_servers(bringing: Bringing, web: str):
    assert bringing.trigger(an_input(f"{web}/file")) == Done()
    assert bringing.check(an_input(f"{web}/file")) == Moved(str(bringing.place / "file"))
    assert (bringing.place / "file").read_bytes() == b"content"
    assert bringing.trigger(an_input("http://127.0.0.1:1/file")) == Done(), "it is there already"


@pytest.mark.parametrize(
    ("path", "attempts", "kind"), [("/gone", 0, Failed), ("/sick", 0, Later), ("/sick", 3, Failed)]
)
def test_web_servers_in_trouble(bringing: Bringing, web: str, path: str, attempts: int, kind: type):
    assert isinstance(bringing.trigger(an_input(f"{web}{path}", attempts=attempts)), kind)
    assert bringing.there() == []


def test_a_file_that_is_too_large_is_not_kept(context: PluginContext, tmp_path: Path, web: str):
    bringing = Bringing(context, tmp_path, maxFileSize=3)
    assert "maxFileSize" in str(bringing.trigger(an_input(f"{web}/file")))
    assert bringing.there() == []


def test_a_file_that_comes_drop_by_drop_is_not_waited_for(context: PluginContext, tmp_path: Path, web: str):
    hours = count()
    late = replace(context, clock=lambda: context.clock() + timedelta(hours=2 * next(hours)))
    told = Bringing(late, tmp_path).trigger(an_input(f"{web}/file"))
    assert isinstance(told, Later)
    assert "did not come in within 3600 s" in told.reason


@pytest.mark.parametrize("path", ["/gone", "/sick"])
def test_no_secret_of_an_address_is_told(bringing: Bringing, web: str, path: str):
    url = f"{web}{path}?token=HUSH"
    asked, unreachable = an_input(url), an_input("ftp://me:HUSH@h/f")
    for told in (bringing.trigger(asked), bringing.check(asked), bringing.trigger(unreachable)):
        assert isinstance(told, Later | Failed)
        assert "HUSH" not in told.reason


@pytest.mark.parametrize("url", ["/etc/passwd", "file:///etc/passwd", "gsiftp://h/f", "", "docker://-o"])
def test_what_nothing_brings_is_refused(context: PluginContext, tmp_path: Path, url: str):
    bringing = Bringing(context, tmp_path, containerRuntime="docker")
    assert isinstance(bringing.trigger(an_input(url)), Failed)


def test_names_that_are_paths_are_refused(context: PluginContext, tmp_path: Path, web: str):
    assert isinstance(Bringing(context, tmp_path).trigger(an_input(f"{web}/x", lfn="../x")), Failed)


def script(directory: Path, name: str, text: str) -> str:
    path = directory / name
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return str(path)


def test_container_images(context: PluginContext, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    script(tmp_path, "docker", '[ "$1 $2 $4" = "save -o r/i:1" ] && echo image > "$3"')
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    bringing = Bringing(context, tmp_path / "images", containerRuntime="docker")
    image = an_input("docker://r/i:1", lfn="i:1")
    assert bringing.trigger(image) == Done()
    assert bringing.there() == ["i:1"]
    assert isinstance(bringing.trigger(an_input("docker://r/i:2", lfn="i:2")), Later)


def test_commands_of_the_site(context: PluginContext, tmp_path: Path):
    start = script(tmp_path, "start", 'echo "$1" > "$2"; echo noise; echo id-7')
    look = script(tmp_path, "look", f'[ "$1" = id-7 ] && [ -e {tmp_path}/done ]')
    commands = {"mass": {"trigger": {"args": [start, "{src}", "{dst}"]}, "check": {"args": [look, "{id}", "{dst}"]}}}
    bringing = Bringing(context, tmp_path / "store", externalCommand=commands)
    first = an_input("mass://tape/file")
    assert bringing.trigger(first) == Grouped("id-7", "started")
    under_way = an_input("mass://tape/file", group_id="id-7", group_status="started")
    assert bringing.trigger(under_way) == Grouped("id-7", "started")
    assert isinstance(bringing.check(under_way), Later)
    (tmp_path / "done").touch()
    assert bringing.check(under_way) == Moved(str(bringing.place / "file"))
    assert (bringing.place / "file").read_text() == "mass://tape/file\n"


def test_paths_in_a_storage_element(context: PluginContext):
    preparator = RseDirectPreparator(RseSettings(basePath="/rse"), context)
    good = File(1, 101, "f", FileKind.INPUT, FileStatus.TO_PREPARE, scope="user.me")
    bad = File(1, 101, "f", FileKind.INPUT, FileStatus.TO_PREPARE, scope="../etc")
    assert preparator.trigger([good]) == [Done()]
    place, refused = preparator.check([good, bad])
    assert place == Moved("/rse/user/me/6a/6b/f")
    assert isinstance(refused, Failed)
