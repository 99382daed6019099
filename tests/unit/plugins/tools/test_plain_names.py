from hypothesis import given
from hypothesis import strategies as st

from harvester.plugins.tools.names import is_plain_name


@given(st.text())
def test_a_plain_name_stays_in_its_directory(name: str):
    if is_plain_name(name):
        assert "/" not in name
        assert name not in {"", ".", ".."}
        assert "\0" not in name
