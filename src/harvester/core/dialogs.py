"""Messages of the service that the server shows to people."""

import re
from datetime import datetime
from enum import StrEnum
from typing import Final

from harvester.core.records import record_type

_SECRETS: Final = (
    (re.compile(r"-----BEGIN [^-]+-----.*?(-----END [^-]+-----|\Z)", re.DOTALL), "(hidden)"),
    (re.compile(r"://[^/\s@]+@"), "://(hidden)@"),
    (re.compile(r"(?i)\b(bearer|basic)\s+\S+"), r"\1 (hidden)"),
    (re.compile(r"\beyJ[\w-]+\.[\w-]+\.?[\w-]*"), "(hidden)"),
    (re.compile(r"(?i)(\w*(?:password|passphrase|secret|token|api_?key))(['\"]?\s*[=:]\s*)\S+"), r"\1\2(hidden)"),
)
"""What a secret looks like where somebody has put it into a message, and what is shown instead."""


class DialogLevel(StrEnum):
    """How grave a message is, in the server's words."""

    INFO = "INFO"
    WARNING = "WARNING"
    ERROR = "ERROR"


@record_type
class Dialog:
    """One message.

    Attributes:
        module: the area of the log line, such as `submitter`.
        identifier: what it is about, such as `queue=SITE_A`.
    """

    at: datetime
    module: str
    identifier: str
    level: DialogLevel
    message: str


def without_secrets(text: str) -> str:
    """The text with everything hidden that looks like a secret; messages should hold none in the first place."""
    for pattern, instead in _SECRETS:
        text = pattern.sub(instead, text)
    return text
