"""Whatever the sources say, the strongest of them that says something about an attribute is the one that counts."""

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from harvester.config.findings import Findings
from harvester.config.json_lines import JsonDocument
from harvester.config.queue_merge import MERGED_BLOCKS, TEMPLATE_FLAG, TEMPLATE_NAME, QueueSources, merge_queues
from harvester.config.queue_model import LIMIT_KEYS

BLOCKS = ("submitter", "common")
PLAIN = ("prodSourceLabel", "credmanagers", "maxWorkers")
QUEUES = ("A", "B")
TEMPLATES = ("S_TEMPLATE", "T")

values = st.integers(0, 9) | st.none() | st.dictionaries(st.sampled_from("xy"), st.integers(0, 9), max_size=2)
attributes = st.dictionaries(st.sampled_from((*BLOCKS, *PLAIN)), values, max_size=4)
named = st.sampled_from((*TEMPLATES, None))


@st.composite
def entries(draw: st.DrawFn, names: tuple[str, ...]) -> dict[str, dict[str, Any]]:
    found = {name: draw(attributes) for name in names if draw(st.booleans())}
    for name, entry in found.items():
        if name == "T":
            entry[TEMPLATE_FLAG] = True
        elif name in QUEUES and (template := draw(named)):
            entry[TEMPLATE_NAME] = template
    return found


def stated(layers: list[dict[str, Any]], key: str) -> Any:  # noqa: ANN401 (any value)
    """What the layers, weakest first, make of one attribute."""
    result: Any = None
    for layer in layers:
        if key in layer:
            merges = key in MERGED_BLOCKS and isinstance(result, dict) and isinstance(layer[key], dict)
            result = {**result, **layer[key]} if merges else layer[key]
    return result


@settings(max_examples=2_500)
@given(local=entries((*QUEUES, *TEMPLATES)), remote=entries((*QUEUES, *TEMPLATES)), dynamic=entries(QUEUES))
def test_sources_count_in_their_order(
    local: dict[str, dict[str, Any]], remote: dict[str, dict[str, Any]], dynamic: dict[str, dict[str, Any]]
):
    sources = QueueSources(JsonDocument("local", local), JsonDocument("remote", remote), dynamic)
    merged = merge_queues(sources, Findings())
    templates = {name: each for source in (remote, local) for name, each in source.items() if name in TEMPLATES}
    limited = {
        name: {k: v for k, v in each.items() if k in {*LIMIT_KEYS, TEMPLATE_NAME}} for name, each in dynamic.items()
    }
    for name in QUEUES:
        usable = [
            source[name]
            for source in (remote, limited, local)
            if name in source and source[name].get(TEMPLATE_NAME) in {*templates, None}
        ]
        assert (name in merged) == bool(usable)
        if not usable:
            continue
        template = next((each[TEMPLATE_NAME] for each in reversed(usable) if TEMPLATE_NAME in each), None)
        layers = [*([templates[template]] if template else []), *usable]
        raw = merged[name].raw
        assert raw.get(TEMPLATE_NAME) == template
        assert TEMPLATE_FLAG not in raw
        for key in (*BLOCKS, *PLAIN):
            assert raw.get(key) == stated(layers, key)
