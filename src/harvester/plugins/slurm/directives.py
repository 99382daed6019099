"""What the head of a batch script asks of `sbatch`, and which of it differs from worker to worker only.

`sbatch` takes every line above the first command that begins with its keyword, whatever white space follows, and reads
the options as `getopt_long` does: short ones joined, long ones by any unambiguous prefix. Output, error, job name and
working directory are a worker's own; all else makes the shape of the job. Workers of one shape go into one array.
"""

import re
import shlex
from dataclasses import dataclass
from itertools import takewhile
from typing import Final

_DIRECTIVE: Final = re.compile(r"#(?:SBATCH|SLURM|BB|DW|STB)")
_OF_SBATCH: Final = re.compile(r"(#SBATCH|#SLURM)(.*)")
_COMMAND: Final = re.compile(r"[ \t\v\f\r]*[^# \t\v\f\r]")
_NEXT_COMPONENT: Final = frozenset({"hetjob", "packjob"})
"""Words that separate the components of a heterogeneous job."""

_JOINED: Final = re.compile(r"-([HhOQsvVW]*)([aeoJD])(.*)", re.DOTALL)
"""Flags without a value, an option that we read, and its value."""
_LETTERS: Final = {"a": "array", "e": "error", "o": "output", "J": "job-name", "D": "chdir"}
_LONG: Final = re.compile(r"--([a-z-]+)(?:=(.*))?", re.DOTALL)
_NAMES: Final = (
    ("ar", "array"), ("er", "error"), ("ou", "output"), ("j", "job-name"), ("ch", "chdir"), ("wo", "workdir"),
    ("op", "open-mode"),
)  # fmt: skip
"""Options that we read, after the shortest prefix that no other option of `sbatch` shares."""
_SHARED: Final = frozenset({"open-mode"})
"""What we read although it is not a worker's own."""


@dataclass(frozen=True, slots=True)
class Head:
    """The directives of one rendered script.

    Attributes:
        shape: the lines that are not a worker's own, in their order.
        output: file of the standard output as the script gives it, `%` patterns included.
        error: file of the error output.
        appends: whether output is added to what the files hold (`--open-mode=append`).
        heterogeneous: whether the job has components; those after the first are kept as they are.
    """

    shape: tuple[str, ...]
    output: str | None
    error: str | None
    appends: bool
    heterogeneous: bool


def read_head(script: str) -> Head:
    """The directives of a script.

    Raises:
        ValueError: no interpreter line, quotes that do not close, an option without its value, or an array of the
            script's own.
    """
    if not script.startswith("#!"):
        raise ValueError("the template does not start with #! and the path of an interpreter")
    lines = _directive_lines(script)
    first = list(takewhile(lambda line: _NEXT_COMPONENT.isdisjoint(_words(line)), lines))
    read = [_without_own(line) for line in first]
    options = {option: value for _, found in read for option, value in found.items()}
    return Head(
        shape=(*filter(None, (rest for rest, _ in read)), *lines[len(first) :]),
        output=options.get("output"),
        error=options.get("error"),
        appends=options.get("open-mode", "").lower().startswith("a"),
        heterogeneous=len(first) < len(lines),
    )


def _directive_lines(script: str) -> list[str]:
    lines = []
    for line in script.split("\n"):
        if _DIRECTIVE.match(line):
            lines.append(line.rstrip())
        elif _COMMAND.match(line):
            break
    return lines


def _without_own(line: str) -> tuple[str, dict[str, str]]:
    """The line without the worker's own options, empty if nothing is left of it, and the options that we read."""
    words = _words(line)
    rest: list[str] = []
    options: dict[str, str] = {}
    while words:
        stays, option, value = _split(words.pop(0))
        if option == "array":
            raise ValueError(f"the template asks for a job array ({line}), but a worker is one batch job; remove it")
        if option:
            options[option] = _next(words, option, line) if value is None else value
        if option in _SHARED:
            stays = f"--{option}={options[option]}"
        if stays:
            rest.append(stays)
    if options.keys() <= _SHARED:
        return line, options
    keyword = _OF_SBATCH.sub(r"\1", line)
    return f"{keyword} {shlex.join(rest)}" if rest else "", options


def _next(words: list[str], option: str, line: str) -> str:
    if not words:
        raise ValueError(f"the template's line {line!r} gives --{option} no value; write it on the same line")
    return words.pop(0)


def _words(line: str) -> list[str]:
    """The words for `sbatch`; none of a line that is for other programs."""
    found = _OF_SBATCH.match(line)
    try:
        return shlex.split(found[2], comments=True) if found else []
    except ValueError as error:
        raise ValueError(f"the template's line {line!r} cannot be read: {error}") from error


def _split(word: str) -> tuple[str, str, str | None]:
    """What stays of a word, the option that we read in it, and the value joined to that: `-Hofile`, `--outp=file`.

    A word without such an option stays whole.
    """
    if found := _JOINED.fullmatch(word):
        flags, letter, value = found.groups()
        return f"-{flags}" if flags else "", _LETTERS[letter], value or None
    if found := _LONG.fullmatch(word):
        typed, value = found.groups()
        for shortest, option in _NAMES:
            if option.startswith(typed) and typed.startswith(shortest):
                return "", option, value
    return word, "", None
