"""Which tests show what a key of the configuration does: those marked `@pytest.mark.shows("section.key", …)`."""

import ast
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Final

TESTS: Final = Path(__file__).parents[2]


@cache
def tests_by_key() -> Mapping[str, Sequence[str]]:
    """The tests of each key, as `path::name`; a key of a queue is `queue.key`, one of a block `block role.key`."""
    found: dict[str, list[str]] = defaultdict(list)
    for path in sorted(TESTS.rglob("test_*.py")):
        for name, function in _tests(ast.parse(path.read_text(encoding="utf-8"))):
            for key in _marked(function):
                found[key].append(f"{path.relative_to(TESTS.parent)}::{name}")
    return found


def _tests(tree: ast.Module) -> Iterator[tuple[str, ast.FunctionDef]]:
    for node in tree.body:
        if isinstance(node, ast.FunctionDef):
            yield node.name, node
        if isinstance(node, ast.ClassDef):
            yield from ((f"{node.name}::{each.name}", each) for each in node.body if isinstance(each, ast.FunctionDef))


def _marked(function: ast.FunctionDef) -> Iterator[str]:
    for each in function.decorator_list:
        if isinstance(each, ast.Call) and ast.unparse(each.func) == "pytest.mark.shows":
            yield from (
                word.value for word in each.args if isinstance(word, ast.Constant) and isinstance(word.value, str)
            )
