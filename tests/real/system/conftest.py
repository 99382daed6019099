from collections.abc import Iterator
from pathlib import Path

import pytest

from system_harness.site import Site


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    """A site of its own, with nothing configured yet."""
    with Site(tmp_path) as made:
        yield made
