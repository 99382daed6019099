"""What findings show of a configuration."""

import pytest
from pydantic import JsonValue

from harvester.config.findings import Findings, Location, is_secret, shown


@pytest.mark.parametrize(
    "key",
    [
        "password",
        "mailPassword",
        "dbPasswd",
        "passPhrase",
        "secretFile",
        "auth_token",
        "credentials",
        "private_key",
        "API-KEY",
    ],
)
def test_keys_of_secrets(key: str) -> None:
    assert is_secret(key)
    assert "hush" not in shown(key, "hush")


@pytest.mark.parametrize(
    "value",
    [
        {"a": "hush"},
        ["hush"],
        "[hush]",
        '{"a": "hush"}',
        "the password is hush",
        "https://me:hush@host",
        "https://me:hu/sh@hush@host",
        "me:hush@host",
    ],
)
def test_values_that_are_not_shown(value: JsonValue) -> None:
    assert "hush" not in shown("key", value)


@pytest.mark.parametrize(
    ("value", "text"),
    [(3, "3"), ("x y", "'x y'"), ("https://a:b@host/p", "'…@host/p'"), ("x" * 99, f"'{59 * 'x'}..."), (None, "None")],
)
def test_values_that_are_shown(value: JsonValue, text: str) -> None:
    assert shown("key", value) == text


def test_a_finding_is_one_line_of_text_whatever_the_configuration_holds() -> None:
    findings = Findings()
    findings.error(Location("a\nb"), "k\ud800", "p\x1b[31m", "ä→b")
    (found,) = findings.as_tuple()
    assert (found.file, found.key, found.problem, found.advice) == ("a\\nb", "k\\ud800", "p\\x1b[31m", "ä→b")
