import logging
from pathlib import Path

import pytest
from cli_tools import MAIN, QUEUE, CommandLine


@pytest.fixture
def call(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> CommandLine:
    """Calls commands; the configuration is a good one with the queue Q."""
    monkeypatch.delenv("PANDA_HOME", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    line = CommandLine(tmp_path)
    line.config.write_text(MAIN.format(place=tmp_path))
    line.queues.write_text(f'{{"Q": {QUEUE}}}')
    return line


@pytest.fixture
def no_handlers(monkeypatch: pytest.MonkeyPatch) -> None:
    """No handlers of pytest's own, which a program that sets up its log would close."""
    monkeypatch.setattr(logging.getLogger(), "handlers", [])
