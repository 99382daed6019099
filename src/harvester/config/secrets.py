"""What of a configuration is a secret: one meaning for all who keep it, show it, or take it from where others read it.

A key that speaks of a secret makes one of all that stands below it. A text may be one whatever its key is called:
whoever keeps or shows it hides in doubt, whoever refuses it has to be sure.
"""

import re
from collections.abc import Callable, Iterator
from typing import Final

from pydantic import JsonValue

from harvester.config.findings import SECRET_WORDS, is_secret
from harvester.config.json_lines import JsonPath
from harvester.config.queue_merge import Attributes
from harvester.core.masking import masked

HIDDEN: Final = "(hidden)"
"""What people see where a secret is."""
_REFERENCES: Final = ("/", "file:", "$")
"""How values begin that only say where a secret is."""
_WORDS: Final = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")
_ABOUT: Final = (
    "file", "path", "dir", "directory", "name", "env", "type", "url", "uri", "host", "port", "issuer", "lifetime",
    "interval", "period", "audience", "scope", "(?<!secret)(?<!secret )(?<!secrets)(?<!secrets )id",
)  # fmt: skip
_ABOUT_SECRETS: Final = re.compile(rf"(\b|({'|'.join(SECRET_WORDS)})s?)(({'|'.join(_ABOUT)})s?)+$")
"""How the keys end, in words, whose values tell something about a secret."""
_SECRET_TEXT: Final = (
    re.compile(r"-----BEGIN [^-]*PRIVATE KEY-----"),
    re.compile(r"://[^/\s:@]+:[^/\s@]+@"),
    re.compile(r"https?://[^/\s:@]{20,}@"),
    re.compile(r"\beyJ[\w-]{10,}\.[\w-]+\.[\w-]+"),
    re.compile(r"(?i)(?:password|passphrase|secret|token|api_?key)=['\"]?(?!file:|\(hidden)[^\s'\"/$<{%]"),
)
"""Texts that surely are secrets: keys, addresses with a password or token, tokens, and options that name one."""


def without_secrets(
    values: Attributes, instead: str = HIDDEN, hide: Callable[[str], str] = masked, *, is_written_here: bool = True
) -> dict[str, JsonValue]:
    """The values without what is secret.

    Args:
        values: by their keys.
        instead: stands where a secret was.
        hide: takes out of the text of a harmless key what looks like a secret.
        is_written_here: by an operator, whose `/path`, `file:` and `$NAME` say where a secret is; what others have
            written may begin so and be one.
    """

    def opened(value: JsonValue, *, is_named: bool) -> JsonValue:
        match value:
            case dict():
                return {key: opened(each, is_named=is_named or names_secret(key)) for key, each in value.items()}
            case list():
                return [opened(each, is_named=is_named) for each in value]
            case _ if is_named and _tells(value, may_refer=is_written_here):
                return instead
            case str():
                return hide(value)
        return value

    return {key: opened(value, is_named=names_secret(key)) for key, value in values.items()}


def secrets_in(value: JsonValue, path: JsonPath = (), *, is_named: bool = False) -> Iterator[JsonPath]:
    """Where secrets surely stand.

    Args:
        value: is looked at with all below it.
        path: where it stands.
        is_named: whether its key speaks of a secret.
    """
    match value:
        case dict():
            for key, each in value.items():
                yield from secrets_in(each, (*path, key), is_named=is_named or names_secret(key))
        case list():
            for place, each in enumerate(value):
                yield from secrets_in(each, (*path, place), is_named=is_named)
        case _ if is_named and _tells(value):
            yield path
        case str() if any(pattern.search(value) for pattern in _SECRET_TEXT):
            yield path


def names_secret(key: str) -> bool:
    """Whether a key speaks of a secret, and not of something about one."""
    return is_secret(key) and not _ABOUT_SECRETS.search(" ".join(_WORDS.findall(key)).lower())


def _tells(value: JsonValue, *, may_refer: bool = True) -> bool:
    """Whether a value with the name of a secret is one, and does not only say whether there is one, or where."""
    if isinstance(value, str):
        return bool(value) and not (may_refer and value.startswith(_REFERENCES))
    return isinstance(value, int | float) and not isinstance(value, bool)
