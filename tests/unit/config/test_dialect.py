"""The ini dialect of existing files."""

import configparser
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import JsonValue

from harvester.config.dialect import Sections, merge, parse_ini, take_config_map
from harvester.config.findings import Finding, Findings
from harvester.config.json_lines import parse_json
from harvester.config.values import Expander

EXPANDER = Expander({"NAME": "content", "FLAG": "True", "COUNT": "12", "HOME/x": "odd"}, "myhost")


def read(text: str, *further: str, config_map: str | None = None) -> tuple[Sections, tuple[Finding, ...]]:
    findings = Findings()
    sources = [parse_ini(each, f"file{place}", findings) for place, each in enumerate([text, *further])]
    if config_map is not None:
        sources.append(take_config_map(parse_json(config_map, "map"), findings))
    return merge(sources, EXPANDER, findings), findings.as_tuple()


def value_of(text: str) -> JsonValue:
    sections, findings = read(f"[s]\nkey = {text}")
    assert findings == ()
    return sections["s"]["key"].value


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("True", True),
        ("False", False),
        ("None", None),
        ("true", "true"),
        ("12", 12),
        ("007", 7),
        ("-12", "-12"),
        ("1.5", "1.5"),
        ("1e3", "1e3"),
        ("9" * 5000, "9" * 5000),
        ("b # no comment", "b # no comment"),
        ("a = b", "a = b"),
        ("", ""),
        ("[1, 2]", "[1, 2]"),
        ("ALL", "ALL"),
        ("a\n  b", ["a", "b"]),
        ("\n  a", ["a"]),
        ("\n  a\n  # comment\n  ; another\n\n  b\n\n", ["a", "b"]),
        ("\n  [1,\n  2]", [1, 2]),
        ('{"a":\n  {"b": null}}', {"a": {"b": None}}),
        ('\n  {\n  "a": "$NAME", "b": ["${NAME}"]\n  }', {"a": "content", "b": ["content"]}),
        ("$NAME", "content"),
        ("${NAME}", "content"),
        ("${{NAME}}", "content"),
        ("$FLAG", True),
        ("$COUNT", 12),
        ("$HOME/x", "odd"),
        ("$HOSTNAME", "myhost"),
        ("${hostname}", "myhost"),
        ("x$NAME", "x$NAME"),
        ("/dev/shm/$(TITLE)_fifo.db", "/dev/shm/$(TITLE)_fifo.db"),
        ("100%%", "100%"),
    ],
)
def test_values(written: str, value: JsonValue) -> None:
    assert value_of(written) == value


def test_keys_and_sections_keep_their_case() -> None:
    sections, _ = read("[Sec]\nKey: 1\nkey = 2")
    assert {key: entry.value for key, entry in sections["Sec"].items()} == {"Key": 1, "key": 2}


def test_a_value_may_refer_to_its_section_and_to_default() -> None:
    sections, findings = read("[DEFAULT]\nbase = /d\n[s]\ntop = %(base)s/t\nkey = %(top)s/k")
    assert sections["s"]["key"].value == "/d/t/k"
    assert sections["s"]["base"].inherited
    assert findings == ()


def test_default_may_stand_twice() -> None:
    sections, findings = read("[DEFAULT]\na = 1\n[s]\n[DEFAULT]\nb = 2")
    assert {key: entry.value for key, entry in sections["s"].items()} == {"a": 1, "b": 2}
    assert findings == ()


@pytest.mark.parametrize("reference", ["%(k{0})s", "%(k{0})s%(k{0})s", "%(k{0})s%(k{0})s%(empty)s%(empty)s"])
def test_references_end(reference: str) -> None:
    keys = [f"k{place} = {reference.format(place + 1)}" for place in range(600)]
    _, findings = read("\n".join(["[s]", *keys, "k600 = x", "empty ="]))
    assert {each.key for each in findings} == {f"s.k{place}" for place in range(590)}


@pytest.mark.parametrize(("length", "told"), [(99_000, []), (101_000, ["s.key"])])
def test_references_have_a_greatest_length(length: int, told: list[str]) -> None:
    _, findings = read(f"[s]\nlong = {length * 'x'}\nkey = %(long)s")
    assert [each.key for each in findings] == told


@pytest.mark.parametrize("depth", [10, 11])
def test_references_are_followed_as_deep_as_by_pythons_parser(depth: int) -> None:
    text = "\n".join(["[s]", *(f"k{place} = %(k{place + 1})s" for place in range(depth)), f"k{depth} = x"])
    parser = configparser.ConfigParser()
    parser.read_string(text)
    try:
        expected = parser["s"]["k0"]
    except configparser.InterpolationDepthError:
        expected = None
    sections, _ = read(text)
    found = sections["s"].get("k0")
    assert (found and found.value) == expected


def test_later_files_win_key_by_key_also_for_references() -> None:
    sections, _ = read("[s]\na = 1\nb = %(a)s", "[s]\na = 2")
    assert (sections["s"]["b"].value, sections["s"]["a"].at.file) == (2, "file1")


def test_config_map_wins_but_adds_no_section() -> None:
    sections, findings = read("[s]\na = 1", config_map='{"s": {"a": "True", "b": [1]}, "t": {"a": 1}}')
    assert {key: entry.value for key, entry in sections["s"].items()} == {"a": True, "b": [1]}
    assert "t" not in sections
    assert [(each.file, each.key) for each in findings] == [("map", "t")]


def test_lines_end_as_in_an_editor() -> None:
    sections, _ = read("[s]\r\na = x\u2028y\r\nb =\r\n  1\r\n  2\r\n")
    assert [sections["s"]["a"].value, sections["s"]["b"].value] == ["x\u2028y", ["1", "2"]]
    assert sections["s"]["b"].at.line == 3


def test_items_know_their_lines() -> None:
    sections, _ = read("[s]\nlist =\n  a\n  # c\n  b\njson =\n  [\n  1,\n  2]")
    assert [sections["s"]["list"].at_item((place,)).line for place in (0, 1)] == [3, 5]
    assert [sections["s"]["json"].at_item((place,)).line for place in (0, 1)] == [8, 9]


@pytest.mark.parametrize("text", ["[]", "3", '{"s": 1}'])
def test_a_config_map_of_another_shape_is_told(text: str) -> None:
    _, findings = read("[s]\na = 1", config_map=text)
    assert {each.file for each in findings} == {"map"}


@given(st.text())
def test_any_text_is_survived(text: str) -> None:
    read(text)


@given(st.text(alphabet="[]=:#;%$(){}sab \n\t\"'", max_size=80))
def test_any_text_in_the_dialects_own_signs_is_survived(text: str) -> None:
    read(f"[s]\n{text}", config_map=json.dumps({"s": {"a": text}}))


def test_a_bare_name_ends_where_a_name_ends():
    sections, findings = read("[s]\nkey = $NAME/file")
    assert sections["s"]["key"].value == "content"
    assert "dropped" in findings[0].problem


def test_what_looks_like_a_comment_behind_a_variable_is_told():
    sections, findings = read("[s]\nkey = $NAME/file   # a comment")
    assert sections["s"]["key"].value == "content"
    assert "no comments behind a value" in findings[0].advice


def test_of_a_variable_that_is_not_set_only_the_name_is_told():
    _, findings = read("[s]\nkey = $MISSING/x   # a comment")
    assert findings[0].problem == "the environment variable MISSING is not set"
    assert "no comments behind a value" in findings[0].advice
