"""The lines of `[cacher] data`: what is fetched, from where, and under which keys it is kept (core reference §1.8)."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from harvester.config.findings import Findings, Location, instead
from harvester.config.values import Entry

QUEUE_CONFIGURATION: Final = "queues_config_file"
"""The main key of the remote queue configuration."""
QUEUE_FACTS: Final = "panda_queues.json"
"""The main key of what the information system says of queues."""
PANDA_METHODS: Final = ("get_resource_types", "get_job_stats", "get_job_stats_new", "get_worker_stats_from_panda")
"""What `panda_server:` may ask for, under the names that existing files write."""
_SCHEMES: Final = ("file", "http", "https", "panda_cache", "panda_server")
_VARIABLE: Final = re.compile(r"\$(?:\{+([^{}]+)\}+|([A-Za-z_][A-Za-z0-9_]*))")
_LONGEST_KEY: Final = 190
_FORM: Final = "write main key|sub key|URL, and |dump file if wanted"
_SOURCES: Final = "write file:/path, http://…, https://…, panda_server:method or panda_cache:public&private"


@dataclass(frozen=True, slots=True)
class CacheLine:
    """One document to keep.

    Attributes:
        main_key: its name.
        sub_key: the rest of its name; mostly empty.
        source: where it comes from, without variables.
        dump_file: a file that gets a copy; empty for none.
    """

    main_key: str
    sub_key: str
    source: str
    dump_file: str = ""

    @property
    def scheme(self) -> str:
        """How it is fetched: `file`, `http`, `https`, `panda_cache` or `panda_server`."""
        return self.source.partition(":")[0].lower()

    @property
    def address(self) -> str:
        """What stands behind the scheme."""
        return self.source.partition(":")[2]


@dataclass(frozen=True, slots=True)
class LineProblem:
    """Why a line is left out, and what to write; `place` counts from 0."""

    place: int
    problem: str
    advice: str


def read_lines(
    lines: Sequence[str], environ: Mapping[str, str]
) -> tuple[tuple[CacheLine, ...], tuple[LineProblem, ...]]:
    """The usable lines, and what is wrong with the others; of two lines for one document the first counts."""
    found: dict[tuple[str, str], CacheLine] = {}
    problems: list[LineProblem] = []
    for place, text in enumerate(lines):
        line = _read_line(text, environ)
        if isinstance(line, CacheLine) and (line.main_key, line.sub_key) in found:
            line = ("there is a line for these keys already", "remove one of them, or give it another sub key")
        if isinstance(line, CacheLine):
            found[line.main_key, line.sub_key] = line
        else:
            problems.append(LineProblem(place, *line))
    return tuple(found.values()), tuple(problems)


def report_lines(lines: Sequence[str], entry: Entry | None, environ: Mapping[str, str], findings: Findings) -> None:
    """Tell which lines are left out."""
    for each in read_lines(lines, environ)[1]:
        at = entry.at_item((each.place,)) if entry else Location()
        problem = f"line {each.place + 1} is left out: {each.problem}"
        findings.warning(at, "cacher.data", problem, each.advice)


def _read_line(text: str, environ: Mapping[str, str]) -> CacheLine | tuple[str, str]:
    """The line, or problem and advice."""
    parts = [part.strip() for part in text.split("|", 3)]
    if len(parts) < 3 or not parts[0] or not parts[2]:  # noqa: PLR2004 (main key, sub key, URL)
        return "it has no main key or no URL", _FORM
    if max(len(parts[0]), len(parts[1])) > _LONGEST_KEY:
        return f"a key has more than {_LONGEST_KEY} characters", "give it a shorter name"
    unset = next((name for name in _variables(parts[2]) if name not in environ), None)
    if unset is not None:
        return f"the environment variable {unset} is not set", "set it for the service, or write the URL"
    source = _VARIABLE.sub(lambda match: environ[match[1] or match[2]], parts[2]).strip()
    line = CacheLine(parts[0], parts[1], source, *parts[3:])
    return _source_problem(line) or line


def _variables(text: str) -> Iterator[str]:
    return (match[1] or match[2] for match in _VARIABLE.finditer(text))


def _source_problem(line: CacheLine) -> tuple[str, str] | None:
    if line.scheme not in _SCHEMES or not line.address.strip("/"):
        return "nothing can be fetched from such a URL", _SOURCES
    if line.scheme == "panda_server" and line.address not in PANDA_METHODS:
        return f"panda_server has no method {line.address}", instead(line.address, PANDA_METHODS, PANDA_METHODS[0])
    if line.scheme == "panda_cache" and not all(map(str.strip, line.address.partition("&"))):
        return "a key pair has two names", "write panda_cache:public&private"
    return None
