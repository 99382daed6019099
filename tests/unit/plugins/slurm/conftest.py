from pathlib import Path

import pytest
from fake_slurm import FakeSlurm, Row, make_row


@pytest.fixture
def fake(tmp_path: Path) -> FakeSlurm:
    return FakeSlurm(tmp_path)


@pytest.fixture
def row() -> Row:
    """Makes a line of a listing: `row("12_3", "RUNNING", "test+7")`."""
    return make_row
