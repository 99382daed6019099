"""Whatever stands in a file, reading it ends with findings, never with an exception."""

import json
import tempfile
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import JsonValue

from harvester.config.check import check
from harvester.config.core_keys import CORE_KEYS
from harvester.config.json_lines import parse_json
from harvester.config.queues import QueueConfig, QueueSources, load_queues
from harvester.config.service import section_models

BLOCK_KEYS = [
    "module",
    "name",
    "plugin",
    "middleware",
    "x",
    *(key for keys in CORE_KEYS.values() for key in keys.by_key()),
]
SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(BLOCK_KEYS), inner, max_size=4),
    max_leaves=6,
)
ATTRIBUTES = st.dictionaries(st.sampled_from([*QueueConfig.by_key(), "isTemplateQueue", "x", "_y"]), VALUES, max_size=6)
ENTRIES = st.dictionaries(
    st.sampled_from(["A", "B/C", "A_TEMPLATE", "B_TEMPLATE", "/", "\ud800", "a\nb", 200 * "x"]),
    ATTRIBUTES | VALUES,
    max_size=4,
)
KEYS = [(name, key) for name, model in section_models().items() for key in [*model.by_key(), *model.unused]]
LINES = st.sampled_from(
    [
        "True",
        "None",
        "0",
        "-1",
        "1.5",
        "",
        "$HOME",
        "%(x)s",
        "a\n  b",
        '\n  {"a":\n  1}',
        "FIXME",
        "a,b",
        "%(nThreads)s%(sleepTime)s",
        '["a", "b"]',
        "WARN",
    ]
)
NOT_A_NUMBER = ("NaN", "Infinity")


@given(ENTRIES, ENTRIES)
def test_queue_configuration(local: dict[str, JsonValue], remote: dict[str, JsonValue]) -> None:
    text = json.dumps(local)
    if any(word in text or word in json.dumps(remote) for word in NOT_A_NUMBER):
        return
    sources = QueueSources(parse_json(text, "l"), parse_json(json.dumps(remote), "r"))
    loaded = load_queues(sources, ["ALL"], work_dir=Path("/w"))
    assert loaded.active <= set(loaded.queues)
    assert all(finding.problem and finding.advice for finding in loaded.findings)
    assert all(f"{finding.key}{finding.problem}".isprintable() for finding in loaded.findings)
    assert all(name.encode() and name.isprintable() for name in loaded.queues)


@settings(max_examples=50)
@given(st.lists(st.tuples(st.sampled_from(KEYS), LINES), max_size=12))
def test_main_configuration(stated: list[tuple[tuple[str, str], str]]) -> None:
    text = "\n".join(f"[{section}]\n{key} = {value}" for (section, key), value in stated)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "panda_harvester.cfg"
        path.write_text(text, encoding="utf-8")
        for finding in check([path], Path(folder) / "none.json", {"HOME": "/h"}, None):
            assert finding.problem
            assert finding.advice
