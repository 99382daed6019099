"""Texts encrypted with a pass-phrase, as upstream's `encryptForWatcher.py` made them.

AES-256 in CFB mode with segments of 8 bits; the key is the hexadecimal HMAC-MD5 of nothing under the pass-phrase;
base64 of initial value and cipher text. It is only read here: a secret of the environment is better kept.
"""

import base64
import binascii
import hmac
from typing import Final

from cryptography.hazmat.decrepit.ciphers.modes import CFB8
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES

_BLOCK: Final = 16


def unsealed(text: str, phrase: str) -> str:
    """The plain text; the text itself if it is not encrypted, or if there is no pass-phrase."""
    if not phrase:
        return text
    try:
        sealed = base64.b64decode(text, validate=True)
    except (ValueError, binascii.Error):
        return text
    if len(sealed) <= _BLOCK:
        return text
    decryptor = Cipher(AES(_key(phrase)), CFB8(sealed[:_BLOCK])).decryptor()
    try:
        plain = (decryptor.update(sealed[_BLOCK:]) + decryptor.finalize()).decode()
    except UnicodeDecodeError:
        return text
    return plain if plain.isprintable() else text


def _key(phrase: str) -> bytes:
    return hmac.new(phrase.encode(), b"", "md5").hexdigest().encode()
