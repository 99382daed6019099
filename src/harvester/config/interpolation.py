"""`%(other)s` in a value stands for another key, core reference §1.2; bounded, whatever the keys refer to."""

import re
from collections.abc import Mapping

_PERCENT = re.compile(r"%(?:(?P<percent>%)|\((?P<name>[^)]+)\)s)?")
_DEEPEST = 10
"""References in references, as many as Python's own parser of such files follows."""
_LONGEST = 100_000


class InterpolationError(Exception):
    """A reference that cannot be followed; carries what is wrong and what to do."""

    def __init__(self, problem: str, advice: str) -> None:
        super().__init__(problem)
        self.problem = problem
        self.advice = advice


class Interpolation:
    """Replaces the references in the text of one key.

    Args:
        texts: the keys that may be referred to, as written.
        key: the key itself.
    """

    def __init__(self, texts: Mapping[str, str], key: str) -> None:
        self._texts = texts
        self._key = key
        self._known: dict[str, str] = {}
        self._inserted = 0

    def expand(self, text: str) -> str:
        """The text with each `%(other)s` replaced, and `%%` by a percent sign.

        Raises:
            InterpolationError: a reference leads nowhere, back to where it came from, or to too much.
        """
        return self._expand(text, (self._key,))

    def _expand(self, text: str, trail: tuple[str, ...]) -> str:
        return _PERCENT.sub(lambda match: self._meant(match, trail), text)

    def _meant(self, match: re.Match[str], trail: tuple[str, ...]) -> str:
        name = match["name"]
        if name is None:
            return "%"
        if name not in self._known:
            self._known[name] = self._other(name, trail)
        self._inserted += len(self._known[name])
        if self._inserted > _LONGEST:
            raise InterpolationError(f"%({name})s brings in too much, {_LONGEST} characters and more", "write less")
        return self._known[name]

    def _other(self, name: str, trail: tuple[str, ...]) -> str:
        if name in trail:
            raise InterpolationError(f"%({name})s refers back to itself", "write the value instead")
        if name not in self._texts:
            raise InterpolationError(f"%({name})s names a key that is not set", f"set {name} here or in [DEFAULT]")
        if len(trail) > _DEEPEST:
            problem = f"%({name})s is a reference in a reference, more than {_DEEPEST} deep"
            raise InterpolationError(problem, "write the value instead")
        return self._expand(self._texts[name], (*trail, name))


def has_stray_percent(text: str) -> bool:
    """Whether a `%` stands for itself although it is not doubled."""
    return any(match[0] == "%" for match in _PERCENT.finditer(text))
