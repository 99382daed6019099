"""What `HARVESTER_QUEUE_CONFIG_URL` stands for in the main configuration."""

from pathlib import Path

import pytest

from harvester.config.cache_lines import read_lines
from harvester.config.service import Loaded, load_settings

MAIN = "[master]\nharvester_id = u\n[pandacon]\nserver_api_url_ssl = http://h/api/v1\n"
URL = "https://me:HUSH@pool/q.json?token=HUSH"
ENVIRON = {"HARVESTER_QUEUE_CONFIG_URL": URL}


def load(tmp_path: Path, more: str = "", **environ: str) -> Loaded:
    path = tmp_path / "c.cfg"
    path.write_text(MAIN + more)
    return load_settings([path], {**ENVIRON, **environ})


def sources(loaded: Loaded) -> list[str]:
    assert loaded.settings is not None
    return [each.source for each in read_lines(loaded.settings.cacher.data, ENVIRON)[0]]


def test_it_is_a_line_of_the_cacher(tmp_path: Path):
    loaded = load(tmp_path, "[cacher]\ndata =\n  a.json||https://cric/\n")
    assert sources(loaded) == ["https://cric/", URL]
    assert loaded.settings is not None
    assert loaded.settings.qconf.config_from_cacher
    assert loaded.settings.queue_address == "https://pool/q.json"
    assert loaded.findings == ()
    assert "HUSH" not in repr(loaded)


@pytest.mark.parametrize(
    ("line", "warnings"), [("${HARVESTER_QUEUE_CONFIG_URL}", 0), (URL, 0), ("https://elsewhere/q.json", 1)]
)
def test_it_counts_before_a_line_for_the_same_document(tmp_path: Path, line: str, warnings: int):
    loaded = load(tmp_path, f"[cacher]\ndata =\n  queues_config_file||{line}\n  queues_config_file|own|https://x/\n")
    assert sources(loaded) == ["https://x/", URL]
    assert len(loaded.findings) == warnings
    assert "HUSH" not in repr(loaded.findings)


def test_without_it_nothing_is_remote(tmp_path: Path):
    loaded = load(tmp_path, HARVESTER_QUEUE_CONFIG_URL="")
    assert loaded.settings is not None
    assert not loaded.settings.qconf.config_from_cacher
    assert loaded.settings.queue_address == ""
