"""What the head of a batch script asks of `sbatch`, and which of it differs from worker to worker only.

Slurm reads `#SBATCH` lines up to the first line that is neither empty nor a comment. Output, error, job name and
working directory are a worker's own; all other lines make the shape of the job. Workers of one shape go into one array.
"""

import re
import shlex
from dataclasses import dataclass
from typing import Final

_DIRECTIVE: Final = re.compile(r"#(?:SBATCH|BB|DW|STB)\b")
_OWN: Final = {
    "-o": "output", "--output": "output",
    "-e": "error", "--error": "error",
    "-J": "name", "--job-name": "name",
    "-D": "directory", "--chdir": "directory", "--workdir": "directory",
}  # fmt: skip
_ARRAY: Final = ("-a", "--array")


@dataclass(frozen=True, slots=True)
class Head:
    """The directives of one rendered script.

    Attributes:
        shape: the lines that are not a worker's own, in their order.
        output: file of the standard output as the script gives it, `%` patterns included.
        error: file of the error output.
    """

    shape: tuple[str, ...]
    output: str | None
    error: str | None


def read_head(script: str) -> Head:
    """The directives of a script.

    Raises:
        ValueError: no interpreter line, quotes that do not close, or an array of the script's own.
    """
    if not script.startswith("#!"):
        raise ValueError("the template does not start with #! and the path of an interpreter")
    shape: list[str] = []
    own: dict[str, str] = {}
    for line in _directive_lines(script):
        rest, found = _without_own(line)
        own.update(found)
        if rest:
            shape.append(rest)
    return Head(tuple(shape), own.get("output"), own.get("error"))


def _directive_lines(script: str) -> list[str]:
    lines = []
    for line in script.split("\n"):
        if line.strip() and not line.startswith("#"):
            break
        if _DIRECTIVE.match(line):
            lines.append(line.rstrip())
    return lines


def _without_own(line: str) -> tuple[str, dict[str, str]]:
    """The line without the worker's own options, empty if nothing is left of it, and these options."""
    keyword, _, text = line.partition(" ")
    if keyword != "#SBATCH":
        return line, {}
    words = _words(line, text)
    rest: list[str] = []
    own: dict[str, str] = {}
    while words:
        word = words.pop(0)
        option, value = _split(word)
        if option in _ARRAY:
            raise ValueError(f"the template asks for a job array ({line}), but a worker is one batch job; remove it")
        if option not in _OWN:
            rest.append(word)
            continue
        own[_OWN[option]] = value if value is not None else (words.pop(0) if words else "")
    if not own:
        return line, {}
    return f"{keyword} {shlex.join(rest)}" if rest else "", own


def _words(line: str, text: str) -> list[str]:
    try:
        return shlex.split(text, comments=True)
    except ValueError as error:
        raise ValueError(f"the template's line {line!r} cannot be read: {error}") from error


def _split(word: str) -> tuple[str, str | None]:
    """Option and value of one word: `--output=x`, `-ox`, `-o`."""
    if word.startswith("--"):
        option, equals, value = word.partition("=")
        return option, value if equals else None
    if word.startswith("-") and len(word) > 2:  # noqa: PLR2004 - a dash, a letter and what follows
        return word[:2], word[2:]
    return word, None
