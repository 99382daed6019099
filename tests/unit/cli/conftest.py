import logging
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog
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
def own_logging(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """What a test does to logging is undone."""
    configure = structlog.configure
    # a cached logger would write as this test had it for as long as the process lives
    uncached = {"cache_logger_on_first_use": False}
    monkeypatch.setattr(structlog, "configure", lambda **how: configure(**{**how, **uncached}))
    root, ours = logging.getLogger(), logging.getLogger("harvester")
    levels = {logger: logger.level for logger in (root, ours, logging.getLogger("sqlalchemy.engine"))}
    monkeypatch.setattr(root, "handlers", [])
    yield
    logging.captureWarnings(capture=False)
    for handler in root.handlers:
        handler.close()
    for logger, level in levels.items():
        logger.setLevel(level)
    structlog.reset_defaults()
