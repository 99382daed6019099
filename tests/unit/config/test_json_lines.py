"""JSON that remembers lines."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harvester.config.json_lines import JsonSyntaxError, parse_json

SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text()
VALUES = st.recursive(SCALARS, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=20)


@given(VALUES, st.sampled_from([None, 0, 1, 4]))
def test_reads_what_the_standard_library_writes(value: object, indent: int | None) -> None:
    text = json.dumps(value, indent=indent)
    document = parse_json(text, "f")
    assert document.value == json.loads(text)
    assert all(1 <= line <= text.count("\n") + 1 for line in document.lines.values())


@given(VALUES, st.data())
def test_a_cut_text_is_refused_in_one_of_its_lines(value: object, data: st.DataObject) -> None:
    text = json.dumps({"key": value}, indent=1)
    cut = text[: data.draw(st.integers(0, len(text) - 1))]
    with pytest.raises(JsonSyntaxError) as caught:
        parse_json(cut, "f")
    assert 1 <= caught.value.line <= cut.count("\n") + 1


@given(st.text())
def test_agrees_with_the_standard_library_on_what_is_json(text: str) -> None:
    try:
        expected = json.loads(text)
    except ValueError:
        with pytest.raises(JsonSyntaxError):
            parse_json(text, "f")
    else:
        if text.strip() in {"NaN", "Infinity", "-Infinity"}:
            return
        assert parse_json(text, "f").value == expected


def test_every_key_has_its_line() -> None:
    document = parse_json('{\n"a": {\n"b": [1,\n2]},\n"c": 3}', "f")
    assert document.lines == {("a",): 2, ("a", "b"): 3, ("a", "b", 0): 3, ("a", "b", 1): 4, ("c",): 5}
    assert document.at(("a", "b", 7)).line == 3
    assert document.at(("z",)).line is None


def test_doubled_keys_are_told_and_the_last_counts() -> None:
    document = parse_json('{"a": 1,\n"a": 2}', "f")
    assert document.value == {"a": 2}
    assert document.duplicates == ((("a",), 2),)


@pytest.mark.parametrize("word", ["NaN", "Infinity", "-Infinity"])
def test_words_that_only_python_knows_are_refused(word: str) -> None:
    with pytest.raises(JsonSyntaxError, match=word.removeprefix("-")):
        parse_json(f"[{word}]", "f")


def test_nesting_has_an_end() -> None:
    with pytest.raises(JsonSyntaxError, match="levels deep"):
        parse_json("[" * 100_000, "f")
