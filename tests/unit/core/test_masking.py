"""No secret leaves in a message."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harvester.core.masking import masked


@pytest.mark.parametrize(
    "text",
    [
        "cannot read -----BEGIN PRIVATE KEY-----\nHUSH\n-----END PRIVATE KEY----- of it",
        "cut -----BEGIN CERTIFICATE-----\nHUSH",
        "https://me:HUSH@host/path is away",
        "sent Authorization: Bearer HUSH to it",
        "token eyJHUSHhbGciOi.eyJzdWIiHUSH.HUSH refused",
        "password=HUSH",
        "mailPassword: HUSH",
        '{"client_secret": "HUSH", "x": 1}',
        "API_KEY = HUSH",
        "OIDC_AUTH_TOKEN=HUSH",
        "https://store/bucket/x?X-Amz-Signature=HUSH",
    ],
)
def test_what_looks_like_a_secret_is_hidden(text: str):
    assert "HUSH" not in masked(text)


def test_ordinary_words_are_kept():
    text = "queue Q: 17 workers; see /var/log/x and https://host:25443/api/v1 (token file /t is empty)"
    assert masked(text) == text


@given(st.text(max_size=300))
def test_hiding_twice_changes_nothing(text: str):
    once = masked(text)
    assert masked(once) == once


@pytest.mark.parametrize("piece", ["a", "eyJ-", "token ", "bearer ", "://", "-----BEGIN "])
def test_a_long_text_of_somebody_else_holds_nobody_up(piece: str):
    long_one = piece * (100_000 // len(piece))  # minutes, if each letter were tried as the beginning of a name
    assert masked(f"{long_one} password=HUSH").count("HUSH") == 0
