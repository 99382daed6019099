"""Texts without what looks like a secret: the last line of defence, since messages should hold none."""

import re
from typing import Final

_SECRETS: Final = (
    (re.compile(r"-----BEGIN [^-]+-----.*?(-----END [^-]+-----|\Z)", re.DOTALL), "(hidden)"),
    (re.compile(r"://[^/\s@]+@"), "://(hidden)@"),
    (re.compile(r"(?i)\b(bearer|basic)\s+\S+"), r"\1 (hidden)"),
    (re.compile(r"\beyJ[\w-]{1,2000}\.[\w-]+\.?[\w-]*"), "(hidden)"),
    (
        re.compile(r"(?i)((?:password|passphrase|secret|token|api_?key|signature))(['\"]?\s*[=:]\s*)\S+"),
        r"\1\2(hidden)",
    ),
)
"""What a secret looks like where somebody has put it into a message, and what is shown instead.

No pattern begins with words of any length: texts of others may be long, and each of their letters would be a beginning.
"""


def masked(text: str) -> str:
    """The text with everything hidden that looks like a secret."""
    for pattern, instead in _SECRETS:
        text = pattern.sub(instead, text)
    return text


def bare_address(url: str) -> str:
    """An address without user, password, query and fragment, which may be secrets."""
    scheme, mark, rest = url.partition("://")
    return f"{scheme}{mark}{rest.partition('?')[0].partition('#')[0].rpartition('@')[2]}"
