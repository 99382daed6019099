import os
from pathlib import Path

import pytest

from harvester.plugins.tools import commands
from harvester.plugins.tools.commands import Commands, CutOff, NotStarted, Ran, Refusal, Result, TurnedAway


def _run(shell: str, timeout: float = 30, text: str = "", refusal: Refusal | None = None) -> Result:
    runner = Commands(timeout)
    return runner.run("sh", ["/bin/sh", "-c", shell], environment=dict(os.environ), text=text, refusal=refusal)


def test_output_errors_and_exit_code_are_kept_apart() -> None:
    assert _run("echo out; echo err >&2; exit 3") == Ran(3, "out\n", "err\n")


def test_a_long_input_and_a_long_output_do_not_block_each_other() -> None:
    text = "x" * 1_000_000
    assert _run("cat", text=text) == Ran(0, text, "")


def test_a_command_that_ignores_its_input_is_no_trouble() -> None:
    assert _run("exit 0", text="x" * 1_000_000) == Ran(0, "", "")


def test_text_that_is_no_text_is_kept_readable() -> None:
    assert _run(r"printf '\377ok'") == Ran(0, "\ufffdok", "")


def test_endless_errors_are_cut_short() -> None:
    result = _run("head -c 10000000 /dev/zero >&2")
    assert isinstance(result, Ran)
    assert len(result.err) == 65536


def test_endless_output_is_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(commands, "_OUTPUT_LIMIT", 1_000_000)
    result = _run("yes")
    assert isinstance(result, CutOff)
    assert "more than" in result.reason


@pytest.mark.parametrize(
    "shell",
    [
        "while :; do echo x >&2; done",
        "sleep 600",
        "exec >&- 2>&-; sleep 600",
        "sleep 600 & exit 0",
        "trap '' TERM; sleep 600 & wait",
    ],
)
def test_a_command_that_hangs_is_stopped(shell: str) -> None:
    assert isinstance(_run(shell, timeout=0.2), CutOff)


def test_a_command_of_another_account_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    def may_not(_group: int, _signal: int) -> None:
        raise PermissionError

    monkeypatch.setattr(os, "killpg", may_not)
    assert isinstance(_run("sleep 0.5", timeout=0.1), CutOff)


ASKS_AGAIN = "echo 'no, sleeping and retrying' >&2; sleep 600; echo 17"


def test_a_command_that_would_only_ask_again_is_stopped_at_its_first_refusal() -> None:
    result = _run(ASKS_AGAIN, refusal=Refusal(b"sleeping and retrying", pause=600))
    assert isinstance(result, TurnedAway)
    assert "no, sleeping" in result.reason


def test_what_it_did_is_not_known_if_it_may_have_asked_again() -> None:
    result = _run(ASKS_AGAIN, refusal=Refusal(b"sleeping and retrying", pause=0))
    assert isinstance(result, CutOff)
    assert "no, sleeping" in result.reason


def test_a_missing_program_is_told_from_one_that_may_not_be_run(tmp_path: Path) -> None:
    path = tmp_path / "program"
    runner = Commands(30)
    missing = runner.run("program", [str(path)], environment={})
    path.write_text("#!/bin/sh\n")
    forbidden = runner.run("program", [str(path)], environment={})
    assert isinstance(missing, NotStarted)
    assert isinstance(forbidden, NotStarted)
    assert (missing.missing, forbidden.missing) == (True, False)
    assert str(path) in forbidden.reason


def test_starts_are_counted_by_program() -> None:
    runner = Commands(30)
    for program in ("a", "b", "a"):
        runner.run(program, ["/bin/true"], environment={})
    assert runner.starts == {"a": 2, "b": 1}
