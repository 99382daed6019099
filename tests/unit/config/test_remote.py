"""What is taken from a configuration at an address, and what is not."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import JsonValue

from harvester.config.dialect import Sections, parse_ini
from harvester.config.findings import Findings, Severity
from harvester.config.json_lines import JsonDocument
from harvester.config.remote import (
    RemoteError,
    RemoteText,
    fault_of,
    kept_text,
    open_part,
    report_secrets,
)
from harvester.config.service import Loaded, load_settings
from harvester.core.origin import Origin, words_of_age

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
URL = "https://me:HUSH@pool.example.org/instance.json?token=HUSH"
MINIMAL = """{
 "master": {"harvester_id": "far"},
 "pandacon": {"server_api_url_ssl": "http://far.example.org/api/v1"}
}"""


class Remote:
    """Hands out a text."""

    def __init__(self, text: str, problem: str = "", age: timedelta = timedelta()) -> None:
        self.origin = Origin("https://pool.example.org/instance.json", NOW - age, NOW, problem)
        self.text = text
        self.asked: list[tuple[str, Sections]] = []

    def __call__(self, address: str, local: Sections) -> RemoteText:
        self.asked.append((address, local))
        if not self.text:
            raise RemoteError("it is gone; find it")
        return RemoteText(self.origin, self.text)


def load(tmp_path: Path, remote: Remote, local: str = "[master]\n", **environ: str) -> Loaded:
    path = tmp_path / "panda_harvester.cfg"
    path.write_text(local)
    return load_settings([path], {"HARVESTER_INSTANCE_CONFIG_URL": URL, **environ}, remote=remote)


def told(loaded: Loaded, severity: Severity) -> list[str]:
    return [each.as_line() for each in loaded.findings if each.severity is severity]


def test_local_files_win_key_by_key(tmp_path: Path):
    remote = Remote(MINIMAL.replace('"far"}', '"far", "workDir": "/far"}'))
    settings = load(tmp_path, remote, "[master]\nworkDir = /near\n").settings
    assert settings is not None
    assert (settings.master.harvester_id, settings.master.work_dir) == ("far", "/near")
    assert settings.origin == remote.origin
    ((address, local),) = remote.asked
    assert address == URL
    assert local["master"]["workDir"].value == "/near"


def test_without_local_files_all_of_it_is_remote(tmp_path: Path):
    environ = {"HARVESTER_INSTANCE_CONFIG_URL": URL, "HOME": str(tmp_path)}
    loaded = load_settings(None, environ, remote=Remote(MINIMAL))
    assert loaded.settings is not None
    assert loaded.settings.master.harvester_id == "far"


def test_all_that_was_read_is_named_also_what_local_files_override(tmp_path: Path):
    loaded = load(tmp_path, Remote(MINIMAL), "")
    address = "https://pool.example.org/instance.json (HARVESTER_INSTANCE_CONFIG_URL)"
    assert loaded.files == (address, str(tmp_path / "panda_harvester.cfg"))


def test_the_config_map_is_above_all(tmp_path: Path):
    (tmp_path / "etc/configmap").mkdir(parents=True)
    (tmp_path / "etc/configmap/panda_harvester_configmap.json").write_text('{"master": {"harvester_id": "mapped"}}')
    environ = {"HARVESTER_INSTANCE_CONFIG_URL": URL, "HOME": str(tmp_path), "PANDA_HOME": str(tmp_path)}
    loaded = load_settings(None, environ, remote=Remote(MINIMAL))
    assert loaded.settings is not None
    assert loaded.settings.master.harvester_id == "mapped"


def test_variables_are_replaced_as_in_files(tmp_path: Path):
    text = """{"master": {"harvester_id": "$NAME"}, "pandacon": {"server_api_url_ssl": "${SERVER}"},
     "credmanager": {"pluginConfigs": [{"module": "m", "name": "N", "configs": {"a": {"clientSecret": "$HUSH"}}}]}}"""
    loaded = load(tmp_path, Remote(text), NAME="n", SERVER="http://s/api/v1", HUSH="known here")
    assert loaded.settings is not None
    assert loaded.settings.master.harvester_id == "n"
    assert loaded.settings.credmanager.plugin_configs[0]["configs"] == {"a": {"clientSecret": "known here"}}


def test_mistakes_are_told_with_their_place(tmp_path: Path):
    loaded = load(tmp_path, Remote(MINIMAL.replace('"far"', '"far", "harvester_idd": 1')))
    (line,) = told(loaded, Severity.WARNING)
    assert line.startswith(
        "https://pool.example.org/instance.json (HARVESTER_INSTANCE_CONFIG_URL):2: master.harvester_idd"
    )


INI = "# pool\n[master]\nharvester_id = far\nplace = 100%%\n[pandacon]\nserver_api_url_ssl = http://far/api/v1\n"


def test_text_of_a_file_will_do_as_well(tmp_path: Path):
    loaded = load(tmp_path, Remote(INI))
    assert loaded.settings is not None
    assert loaded.settings.master.harvester_id == "far"
    assert loaded.fetched is not None
    kept = kept_text(loaded.fetched.source)
    assert "pool" not in kept
    again = load(tmp_path, Remote(kept))
    assert again.settings == loaded.settings


SECRETS = {
    "db": {"password": "HUSH", "user": "me"},
    "watcher": {"mailUser": "HUSH", "mailPassword": 4711, "passphraseEnv": "NAME"},
    "pandacon": {
        "server_api_url_ssl": "http://far/api/v1",
        "auth_token": "file:/token",
        "cert_file": "-----BEGIN RSA PRIVATE KEY-----HUSH",
    },
    "credmanager": {"pluginConfigs": [{"configs": {"a": {"client_secret": "HUSH"}}}]},
    "apfmon": {"base_url": "https://me:HUSH@apfmon.example.org"},
    "master": {"harvester_id": "far"},
}
REFUSED = {
    "db.password",
    "watcher.mailUser",
    "watcher.mailPassword",
    "pandacon.cert_file",
    "credmanager.pluginConfigs",
    "apfmon.base_url",
}


def as_ini(sections: dict[str, dict[str, object]]) -> str:
    lines = []
    for name, keys in sections.items():
        lines.append(f"[{name}]")
        for key, value in keys.items():
            text = json.dumps(value, indent=1) if isinstance(value, list) else str(value)
            lines.append(f"{key} = " + ("\n  " + text.replace("\n", "\n  ") if isinstance(value, list) else text))
    return "\n".join(lines)


@pytest.mark.parametrize("form", ["json", "ini"])
def test_secrets_are_left_out_and_named(tmp_path: Path, form: str):
    text = json.dumps(SECRETS, indent=1) if form == "json" else as_ini(SECRETS)  # type: ignore[arg-type]
    loaded = load(tmp_path, Remote(text))
    assert {each.key for each in loaded.findings if "is a secret" in each.problem} == REFUSED
    assert loaded.settings is None
    assert "HUSH" not in repr(loaded.findings)
    assert loaded.fetched is not None
    kept = kept_text(loaded.fetched.source)
    assert "HUSH" not in kept + repr(loaded)
    assert "4711" not in kept
    assert "file:/token" in kept


def test_a_secret_that_is_local_too_is_no_error(tmp_path: Path):
    text = MINIMAL.replace('"master"', '"db": {"password": "HUSH"}, "master"')
    loaded = load(tmp_path, Remote(text), "[db]\npassword = own\n")
    assert loaded.settings is not None
    assert loaded.settings.db.password is not None
    assert loaded.settings.db.password.get_secret_value() == "own"
    assert "db.password: is a secret" in told(loaded, Severity.WARNING)[0]


def test_a_copy_is_used_with_a_warning_that_tells_its_age(tmp_path: Path):
    loaded = load(tmp_path, Remote(MINIMAL, "the server is away", timedelta(days=3, hours=2)))
    assert loaded.settings is not None
    (line,) = told(loaded, Severity.WARNING)
    assert "the server is away; the last good copy is used, of 2026-02-26 10:00 UTC, 3 days old" in line


def test_neither_address_nor_copy_is_an_error(tmp_path: Path):
    loaded = load(tmp_path, Remote(""), MINIMAL)
    assert loaded.settings is None
    assert "HARVESTER_INSTANCE_CONFIG_URL: it is gone; find it" in told(loaded, Severity.ERROR)


@pytest.mark.parametrize("variable", ["HARVESTER_INSTANCE_CONFIG_URL", "HARVESTER_QUEUE_CONFIG_URL"])
@pytest.mark.parametrize("address", ["ftp://h/x", "pool.example.org", "https:///", "file:/etc/HUSH"])
def test_what_is_no_address_is_an_error(tmp_path: Path, variable: str, address: str):
    path = tmp_path / "c.cfg"
    path.write_text("[master]\nharvester_id = u\n[pandacon]\nserver_api_url_ssl = http://h/api/v1\n")
    loaded = load_settings([path], {variable: address}, remote=Remote(MINIMAL))
    assert loaded.settings is None
    assert [each.file for each in loaded.findings] == [variable]
    assert address not in repr(loaded.findings)
    assert load_settings([path], {variable: " "}, remote=Remote(MINIMAL)).findings == ()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("<html>", "HTML"),
        ("\ufeff \n<!DOCTYPE html>", "HTML"),
        ('{"master": {', "no JSON (line 1"),
        ("{}", "empty"),
        ("[1, 2]", "neither"),
        ("", "neither"),
        ("404: Not Found", "neither"),
        ('{"master": 1}', "master in it is no section"),
        ("[master]\nhalf a li", "neither"),
    ],
)
def test_what_cannot_be_a_main_configuration(text: str, words: str):
    assert words in fault_of(text)


@pytest.mark.parametrize("text", [MINIMAL, INI, f"\ufeff{MINIMAL}"])
def test_what_can_be_one(text: str):
    assert fault_of(text) == ""


# ---- queues ----------------------------------------------------------------------------------------------------------

QUEUES: JsonValue = {
    "TOKEN_QUEUE": {
        "submitter": {
            "token": "HUSH",
            "tokenFile": "relative/path",
            "secretName": "name-of-it",
            "password": "$FROM_HERE",
            "useToken": True,
            "list": ["https://u:HUSH@h/", "plain"],
            "secrets": {"a": "HUSH", "b": "/path"},
        },
        "maxWorkers": 3,
    },
    "_comment": "HUSH is fine here",
}


def test_queues_are_kept_without_their_secrets():
    kept, paths = open_part(QUEUES)
    assert isinstance(kept, dict)
    assert kept["TOKEN_QUEUE"] == {
        "submitter": {
            "tokenFile": "relative/path",
            "secretName": "name-of-it",
            "password": "$FROM_HERE",
            "useToken": True,
            "list": ["plain"],
            "secrets": {"b": "/path"},
        },
        "maxWorkers": 3,
    }
    assert [".".join(map(str, path[1:])) for path in paths] == [
        "submitter.token",
        "submitter.list.0",
        "submitter.secrets.a",
    ]


def test_a_secret_of_a_queue_is_an_error_unless_it_is_local_too():
    findings = Findings()
    local: JsonValue = {"TOKEN_QUEUE": {"submitter": {"token": "own"}}}
    document = JsonDocument("there", QUEUES, {("TOKEN_QUEUE", "submitter", "token"): 7})
    report_secrets(document, local, findings)
    found = [(each.severity.value, each.line, each.key) for each in findings.as_tuple()]
    assert found[0] == ("warning", 7, "TOKEN_QUEUE.submitter.token")
    assert [each[0] for each in found[1:]] == ["error", "error"]
    assert "HUSH" not in repr(findings)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from(["a", "token", "secretFile", "password"]), inner),
    max_leaves=20,
)


@given(JSON)
def test_leaving_out_once_leaves_nothing_to_leave_out(value: JsonValue):
    kept, _ = open_part(value)
    assert open_part(kept) == (kept, [])


@given(st.dictionaries(st.text(min_size=1), JSON))
def test_only_what_is_named_is_left_out(value: dict[str, JsonValue]):
    kept, paths = open_part(value)
    assert (kept == value) is (not paths)


@pytest.mark.parametrize(
    ("age", "words"),
    [
        (timedelta(seconds=-5), "0 seconds old"),
        (timedelta(seconds=1), "1 second old"),
        (timedelta(minutes=61), "1 hour old"),
        (timedelta(days=9), "9 days old"),
    ],
)
def test_ages_in_words(age: timedelta, words: str):
    assert words_of_age(age) == words


def test_an_ini_text_is_what_it_was_when_it_is_kept():
    source = parse_ini("[a]\nx =\n  1\n  2\ny = %(x)s\n", "f", Findings())
    again = parse_ini(kept_text(source), "f", Findings())
    assert {key: raw.value for key, raw in again.sections["a"].items()} == {
        key: raw.value for key, raw in source.sections["a"].items()
    }
