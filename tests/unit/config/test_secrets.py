"""What is a secret, for all who keep it, show it or take it from elsewhere."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import JsonValue

from harvester.config.remote import open_part
from harvester.config.secrets import HIDDEN, without_secrets
from harvester.config.versions import storable

NAMED: list[tuple[str, JsonValue]] = [
    ("password", "hush"),
    ("dbPasswd", 4711),
    ("secretId", "hush"),
    ("secrets_id", "hush"),
    ("robot_password_grid", "hush"),
    ("tokenGrid", "hush"),
    ("secrets", {"name": "hush"}),
    ("credentials", ["hush"]),
]
TEXTS = [
    "-----BEGIN RSA PRIVATE KEY-----\nhush",
    "https://me:hush@host/path",
    "https://ghp_hush5678901234567890@host/path",
    "--token=hush",
    "eyJhbGciOiJIUzI1NiJ9.hush.hush",
]
HARMLESS: list[tuple[str, JsonValue]] = [
    ("tokenFile", "relative/path"),
    ("secretName", "name-of-it"),
    ("accessKeyId", "AKIA"),
    ("tokenfilename", "relative/path"),
    ("CREDENTIALS_PATH", "relative/path"),
    ("password", "$FROM_HERE"),
    ("password", "file:/etc/word"),
    ("password", ""),
    ("useToken", True),
    ("token", None),
    ("source", "ssh://git@host/repository"),
    ("command", ["--token=$TOKEN", "--password=/etc/word"]),
    ("words", "the basic queue of this site; token: see the pages of the site"),
]


@pytest.mark.parametrize(("key", "value"), [*NAMED, *(("words", text) for text in TEXTS)])
def test_a_secret_is_neither_kept_nor_shown_nor_taken_from_elsewhere(key: str, value: JsonValue):
    raw = {"submitter": {key: value}}
    taken, refused = open_part({"Q": raw})
    for found in (storable(raw), without_secrets(raw), taken):
        assert "hush" not in repr(found)
        assert "4711" not in repr(found)
    assert refused


@pytest.mark.parametrize(("key", "value"), HARMLESS)
def test_what_is_none_is_taken_from_elsewhere(key: str, value: JsonValue):
    queues: JsonValue = {"Q": {"submitter": {key: value}}}
    assert open_part(queues) == (queues, [])


@pytest.mark.parametrize(("key", "value"), HARMLESS[:10])
def test_what_only_tells_about_a_secret_is_kept_and_shown(key: str, value: JsonValue):
    raw = {"submitter": {key: value}}
    assert storable(raw) == raw
    assert without_secrets(raw) == raw


def test_of_a_text_all_but_the_secret_is_shown():
    assert without_secrets({"source": "https://me:hush@host/path"}) == {"source": f"https://{HIDDEN}@host/path"}


@given(st.dictionaries(st.sampled_from(["a", "token", "secretFile"]), st.text() | st.sampled_from(TEXTS)))
def test_whoever_keeps_or_shows_hides_all_that_is_refused(block: dict[str, JsonValue]):
    raw: dict[str, JsonValue] = {"submitter": block}
    _, refused = open_part({"Q": raw})
    for found in (storable(raw)["submitter"], without_secrets(raw)["submitter"]):
        assert isinstance(found, dict)
        assert not [path for path in refused if found[str(path[-1])] == block[str(path[-1])]]
