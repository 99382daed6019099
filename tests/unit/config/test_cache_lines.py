"""`[cacher] data`, line by line."""

from pathlib import Path

import pytest

from harvester.config.cache_lines import CacheLine, read_lines
from harvester.config.service import load_settings

ENVIRON = {"URL": "https://host/q.json", "HOST": "cric", "EMPTY": ""}


def read(*lines: str) -> list[CacheLine]:
    return list(read_lines(lines, ENVIRON)[0])


def problem_of(line: str) -> str:
    (problem,) = read_lines([line], ENVIRON)[1]
    return f"{problem.problem}; {problem.advice}"


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("a.json||http://x/y?json", CacheLine("a.json", "", "http://x/y?json")),
        (" proxy | pilot | file:///p | /tmp/d ", CacheLine("proxy", "pilot", "file:///p", "/tmp/d")),
        ("q||$URL", CacheLine("q", "", "https://host/q.json")),
        ("q||${URL}|", CacheLine("q", "", "https://host/q.json")),
        ("q||https://$HOST/${HOST}?a", CacheLine("q", "", "https://cric/cric?a")),
        ("q||panda_server:get_job_stats", CacheLine("q", "", "panda_server:get_job_stats")),
        ("q||panda_cache:pub&priv", CacheLine("q", "", "panda_cache:pub&priv")),
        ("q||FILE:/p", CacheLine("q", "", "FILE:/p")),
    ],
)
def test_a_line_is_what_was_meant(text: str, line: CacheLine):
    assert read(text) == [line]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("panda_queues.json", "no main key or no URL"),
        ("a||", "no main key or no URL"),
        ("||http://x", "no main key or no URL"),
        ("a||$EMPTY", "nothing can be fetched"),
        ("a||$UNSET/x", "environment variable UNSET is not set; set it"),
        ("a||ftp://x", "write file:/path, http"),
        ("a||http://", "nothing can be fetched"),
        ("a||panda_server:get_job_statistics", "no method get_job_statistics; write get_job_stats"),
        ("a||panda_cache:one", "two names"),
        (f"{'a' * 191}||http://x", "more than 190"),
    ],
)
def test_a_line_that_cannot_be_used_is_told(text: str, words: str):
    assert words in problem_of(text)


def test_bad_lines_lose_only_themselves_and_of_two_for_one_document_the_first_counts():
    lines, problems = read_lines(["a||http://1", "bad", "a||http://2", "a|b|http://3"], ENVIRON)
    assert [line.source for line in lines] == ["http://1", "http://3"]
    assert [(each.place, "already" in each.problem) for each in problems] == [(1, False), (2, True)]


def test_the_line_of_the_file_is_named(tmp_path: Path):
    file = tmp_path / "c.cfg"
    head = "[master]\nharvester_id = unit\n[pandacon]\nserver_api_url_ssl = http://127.0.0.1:1/api/v1\n"
    file.write_text(f"{head}[cacher]\ndata =\n  a||http://x\n  bad\n")
    loaded = load_settings([file], {})
    assert loaded.settings is not None
    (finding,) = loaded.findings
    assert (finding.line, finding.key) == (8, "cacher.data")
    assert "line 2 is left out" in finding.problem
