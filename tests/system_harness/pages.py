"""Commands as they stand in a page of the docs, for tests that walk through them as a newcomer does."""

import re
from pathlib import Path

DOCS = Path(__file__).parents[2] / "docs"
_HEADING = re.compile(r"^(#+) (.*)$")
_FENCE = "```"


def blocks(page: str, heading: str, kind: str) -> list[str]:
    """The fenced blocks of a kind, such as `console`, under a heading of a page and before the next one."""
    found: list[str] = []
    here, inside, lines = False, "", list[str]()
    for line in (DOCS / page).read_text().splitlines():
        if inside:
            if line == _FENCE:
                found += ["\n".join(lines)] if here and inside == kind else []
                inside, lines = "", []
            else:
                lines.append(line)
        elif line.startswith(_FENCE):
            inside = line.removeprefix(_FENCE) or "plain"
        elif match := _HEADING.match(line):
            here = match[2] == heading
    return found


def commands(page: str, heading: str, prompt: str = "$ ") -> list[str]:
    """What is typed behind a prompt in the console blocks under a heading."""
    lines = "\n".join(blocks(page, heading, "console")).splitlines()
    return [line.removeprefix(prompt) for line in lines if line.startswith(prompt)]
