"""Every key that the configuration accepts is read by somebody, or says that it does nothing."""

import ast
from collections import defaultdict
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path

import pytest

from harvester import config
from harvester.config.core_keys import CORE_KEYS
from harvester.config.effects import Idle
from harvester.config.fields import Keyed
from harvester.config.queue_model import ROLES, QueueConfig, python_name
from harvester.config.service import section_models

CONFIG = Path(config.__file__).parent
SOURCES = sorted(CONFIG.parent.rglob("*.py"))

MERGED = {"templateQueueName", "common", "pandaQueueName"}
"""Attributes that are used up when a queue is made."""
HANDED_OVER = ["payload_interaction", *(f"core.{python_name(role)}" for role in CORE_KEYS)]
"""Whose keys go to the plugins as they are written."""
NOT_NEEDED = CONFIG.parent / "plugins/names.py"
"""Names keys of plugins that are ignored."""

OWNERS: Mapping[str, type[Keyed]] = {
    **section_models(),
    **{f"core.{python_name(role)}": model for role, model in CORE_KEYS.items()},
    "queue": QueueConfig,
}
VARIABLES = {"config": "queue", **{f"self.{model.__name__}": owner for owner, model in OWNERS.items()}}
"""How the code calls them, where not by their own name; in a model itself they are `self`."""


@cache
def reads() -> Mapping[str, frozenset[str]]:
    """The attributes that the code reads, by what they are read from: `settings.monitor.x` is `x` of `monitor`."""
    found: dict[str, set[str]] = defaultdict(set)
    for path in SOURCES:
        for scope in scopes(ast.parse(path.read_text(encoding="utf-8"))):
            for owner, attribute in reads_in(*scope):
                found[owner].add(attribute)
    return {owner: frozenset(attributes) for owner, attributes in found.items()}


def scopes(tree: ast.AST) -> Iterator[tuple[ast.AST, str]]:
    """Each function, with the class that it stands in."""
    for parent in ast.walk(tree):
        within = parent.name if isinstance(parent, ast.ClassDef) else ""
        yield from ((each, within) for each in ast.iter_child_nodes(parent) if isinstance(each, ast.FunctionDef))


def reads_in(scope: ast.AST, within: str) -> Iterator[tuple[str, str]]:
    aliases = {"self": f"self.{within}", **dict(assigned(scope)), **dict(annotated(scope))}
    for node in ast.walk(scope):
        if isinstance(node, ast.Attribute):
            written = owner_of(node.value)
            owner = aliases.get(written, written)
            yield VARIABLES.get(owner, owner), node.attr


def assigned(scope: ast.AST) -> Iterator[tuple[str, str]]:
    """`section = self.instance.settings.monitor`, also several at once."""
    for node in ast.walk(scope):
        if isinstance(node, ast.Assign) and isinstance(target := node.targets[0], ast.Name | ast.Tuple):
            names = target.elts if isinstance(target, ast.Tuple) else [target]
            values = node.value.elts if isinstance(node.value, ast.Tuple) else [node.value]
            for name, value in zip(names, values, strict=False):
                if isinstance(name, ast.Name) and isinstance(value, ast.Attribute):
                    yield name.id, owner_of(value)


def annotated(scope: ast.AST) -> Iterator[tuple[str, str]]:
    """`def f(pandacon: Pandacon)`."""
    by_model = {model.__name__: owner for owner, model in OWNERS.items()}
    for node in ast.walk(scope):
        if isinstance(node, ast.arg) and isinstance(node.annotation, ast.Name) and node.annotation.id in by_model:
            yield node.arg, by_model[node.annotation.id]


def owner_of(value: ast.expr) -> str:
    """The last name of what an attribute is read from, be it called; for keys of plugin blocks it is `core.<role>`."""
    match value:
        case ast.Name(id=name):
            return name
        case ast.Attribute(value=ast.Attribute(attr="core"), attr=role):
            return f"core.{role}"
        case ast.Attribute(attr=name) | ast.Call(func=ast.Attribute(attr=name)):
            return name
    return ""


@cache
def texts() -> frozenset[str]:
    """What stands in quotes outside the models."""
    trees = (
        ast.parse(path.read_text(encoding="utf-8"))
        for path in SOURCES
        if path != NOT_NEEDED and CONFIG not in path.parents
    )
    return frozenset(
        node.value
        for tree in trees
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    )


def is_read(owner: str, key: str, name: str) -> bool:
    by_key = key in MERGED if owner == "queue" else owner in HANDED_OVER and key in texts()
    return by_key or name in reads().get(owner, ())


def keys() -> Iterator[tuple[str, str, bool]]:
    """All keys, by whom they belong to, and whether they are read; plugin blocks are read by their role."""
    for owner, model in OWNERS.items():
        names = {field.alias or name: name for name, field in model.model_fields.items()}
        yield from ((owner, key, is_read(owner, key, names[key])) for key in model.by_key() if key not in ROLES)


def says_nothing_happens(owner: str, key: str) -> bool:
    return key in OWNERS[owner].idle()


def test_a_key_is_read_or_says_that_it_does_nothing() -> None:
    silent = [(owner, key) for owner, key, read in keys() if not read]
    assert [each for each in silent if not says_nothing_happens(*each)] == []


def test_a_key_that_is_read_does_not_say_that_it_does_nothing() -> None:
    assert [(owner, key) for owner, key, read in keys() if read and says_nothing_happens(owner, key)] == []


@pytest.mark.parametrize(("owner", "name"), [("monitor", "sleep_time"), ("db", "host"), ("queue", "site_name"),
                                             ("core.monitor", "check_timeout"), ("logger", "rotating_interval"),
                                             ("pandacon", "panda_url_ssl"), ("qconf", "queue_list")])  # fmt: skip
def test_what_is_read_is_found(owner: str, name: str) -> None:
    assert name in reads()[owner]


def test_the_words_fit_into_their_sentences() -> None:
    marks = [mark for model in OWNERS.values() for field in model.model_fields.values() for mark in field.metadata]
    words = [mark.reason for mark in marks if isinstance(mark, Idle)]
    assert [each for each in words if not each or each.endswith(".") or each[0].isupper()] == []
