"""`make bench` can run what it lists, and its table shows all that was told."""

import argparse
import subprocess
import sys
from collections.abc import Mapping, Sequence
from importlib import import_module

import pytest

from all import BENCHMARKS, Benchmark, medians, report, rows

BY_PART = {"engine": "sqlite", "sick": {"slow": {"seconds": 2.0}, "asked": {"kill": 3}}, "hang": {"median": None}}


class Parsed(Exception):  # noqa: N818 (no error)
    """A script has understood its arguments, and need not go on."""


@pytest.mark.parametrize("benchmark", BENCHMARKS, ids=lambda each: each.name)
def test_arguments_are_understood(monkeypatch: pytest.MonkeyPatch, benchmark: Benchmark):
    parse = argparse.ArgumentParser.parse_args

    def parse_and_end(parser: argparse.ArgumentParser) -> None:
        parse(parser)
        raise Parsed

    script, arguments = benchmark.script, benchmark.arguments
    monkeypatch.setattr(sys, "argv", [script, *arguments, "--access-points", "here", "--json"])
    monkeypatch.setattr(argparse.ArgumentParser, "parse_args", parse_and_end)
    with pytest.raises(Parsed):
        import_module(script.removesuffix(".py")).main()


def test_parts_are_told_under_their_names():
    assert medians([BY_PART]) == {"sick_slow_seconds": 2.0, "sick_asked_kill": 3.0}


def test_median_is_of_what_all_runs_told():
    runs = [{"seconds": 3, "more": 1}, {"seconds": 1, "more": None}, {"seconds": 2, "more": 1}]
    assert medians(runs) == {"seconds": 2.0}


def test_rows_show_all_numbers_unless_some_are_chosen():
    measured = {"cpu_seconds": 1.0, "seconds": 2.0, "speed": 5.0}
    every = list(rows(Benchmark("some.py"), measured))
    assert [row.split(" | ")[2] for row in every] == ["cpu_seconds", "seconds", "speed"]
    chosen = Benchmark("some.py", targets={"seconds": 1.0, "speed": None}, least={"speed": 4.0})
    verdicts = [row.split(" | ")[2:6] for row in rows(chosen, measured)]
    assert verdicts == [["seconds", "≤ 1", "2", "missed"], ["speed", "≥ 4", "5", "met"]]


@pytest.mark.parametrize(
    ("told", "why"),
    [
        ({"engine": "sqlite"}, "told nothing"),
        (subprocess.TimeoutExpired("some.py", 180), "took more than 180 s"),
        (subprocess.CalledProcessError(1, "some.py"), "failed"),
    ],
    ids=["nothing", "late", "failed"],
)
def test_no_figures_are_a_failure(monkeypatch: pytest.MonkeyPatch, told: object, why: str):
    def answer(_script: str, _arguments: Sequence[str], *, seconds: float) -> Mapping[str, object]:
        assert seconds == 180
        if isinstance(told, Exception):
            raise told
        assert isinstance(told, dict)
        return told

    monkeypatch.setattr("all.figures_of", answer)
    assert report(Benchmark("some.py"), []) == ([f"| some.py | 1 | {why} | | | | | |"], False)


def test_missing_target_is_a_failure(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("all.figures_of", lambda *_, seconds: {"other": seconds})
    lines, could = report(Benchmark("some.py", targets={"speed": 1.0}), [])
    assert not could
    assert "did not tell 'speed'" in lines[0]
