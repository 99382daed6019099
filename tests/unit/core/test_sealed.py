"""What upstream's script encrypted is read, and what is plain stays plain."""

import base64
import hmac

import pytest
from cryptography.hazmat.decrepit.ciphers.modes import CFB8
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from hypothesis import given
from hypothesis import strategies as st

from harvester.core.sealed import unsealed


def seal(text: str, phrase: str, start: bytes = b"0123456789abcdef") -> str:
    key = hmac.new(phrase.encode(), b"", "md5").hexdigest().encode()
    encryptor = Cipher(AES(key), CFB8(start)).encryptor()
    return base64.b64encode(start + encryptor.update(text.encode()) + encryptor.finalize()).decode()


@given(st.text(st.characters(categories=["L", "N", "P"]), min_size=1, max_size=40), st.text(min_size=1, max_size=20))
def test_what_was_sealed_is_read_with_its_phrase(text: str, phrase: str):
    try:
        sealed = seal(text, phrase)
    except UnicodeEncodeError:
        return
    assert unsealed(sealed, phrase) == text


@pytest.mark.parametrize(
    "text", ["", "me@example.org", "correct horse", "c2hvcnQ=", "bm90IHNlYWxlZCBidXQgYmFzZTY0IGFsbCB0aGUgc2FtZQ=="]
)
def test_plain_text_stays_plain(text: str):
    assert unsealed(text, "") == text
    assert unsealed(text, "a phrase") == text


def test_the_wrong_phrase_tells_nothing():
    sealed = seal("a rather long password", "right")
    assert unsealed(sealed, "wrong") == sealed
