from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harvester.plugins.slurm.listing import SACCT_COLUMNS, SQUEUE_COLUMNS, Listing, read_listing

HEAD = "JOBID|STATE|EXIT_CODE|START_TIME|END_TIME|TIME_LIMIT|NODELIST|REASON|NAME|\n"
GOOD = "12_3|RUNNING|0|2026-03-01T11:00:00|N/A|1:00:00|n1|None|test+4|\n"


def _read(text: str) -> Listing:
    return read_listing("squeue", SQUEUE_COLUMNS, text)


def test_a_whole_listing_is_complete() -> None:
    listing = _read(HEAD + GOOD)
    row = listing.rows["12_3"]
    assert listing.complete
    assert (row.marker, row.state, row.node, row.reason) == ("test-7", "RUNNING", "n1", "")
    assert row.started_at == datetime(2026, 3, 1, 11, tzinfo=UTC)
    assert row.ended_at is None


def test_a_heading_alone_means_no_jobs() -> None:
    assert _read(HEAD).complete


@pytest.mark.parametrize("text", ["", "\n", GOOD, "slurm is being upgraded, have a nice day\n", "<html>|" * 9])
def test_without_a_heading_nothing_is_believed(text: str) -> None:
    listing = _read(text)
    assert not listing.complete
    assert not listing.rows
    assert "squeue" in listing.reason


@pytest.mark.parametrize(
    "tail", ["12_4|RUNN", "noise\n", "13|RUNNING|0|", "\x00\n", "x" + GOOD, GOOD.removesuffix("\n")[:-1] + "\n"]
)
def test_what_cannot_be_read_makes_it_incomplete_and_keeps_the_rest(tail: str) -> None:
    listing = _read(HEAD + GOOD + tail)
    assert not listing.complete
    assert list(listing.rows) == ["12_3"]


@given(st.integers(min_value=1, max_value=len(HEAD + GOOD * 3) - 1))
def test_a_listing_that_was_cut_off_is_never_complete_unless_cut_between_lines(length: int) -> None:
    text = (HEAD + GOOD * 3)[:length]
    assert _read(text).complete == text.endswith("\n")


@given(st.text())
def test_garbage_never_raises(text: str) -> None:
    _read(text)
    for row in _read(HEAD + text).rows.values():
        _ = (row.marker, row.state, row.exit_code, row.started_at, row.ended_at, row.node, row.reason)


@pytest.mark.parametrize(
    ("text", "code"),
    [("0", 0), ("256", 1), ("1792", 7), ("9", 137), ("15", 143), ("3:0", 3), ("0:9", 137), ("0:0", 0), ("?", None)],
)
def test_exit_codes_of_squeue_and_sacct(text: str, code: int | None) -> None:
    listing = _read(HEAD + GOOD.replace("|0|", f"|{text}|"))
    assert listing.rows["12_3"].exit_code == code


def test_names_with_separators_stay_whole() -> None:
    listing = _read(HEAD + GOOD.replace("test+4", "a|b"))
    assert listing.complete
    assert listing.rows["12_3"].name == "a|b"


@pytest.mark.parametrize("state", ["CANCELLED by 1001", "CANCELLED+", "CANCELLED"])
def test_states_lose_what_follows_them(state: str) -> None:
    listing = read_listing("sacct", SACCT_COLUMNS, HEAD + GOOD.replace("RUNNING", state))
    assert listing.rows["12_3"].state == "CANCELLED"


def test_the_first_component_stands_for_a_heterogeneous_job() -> None:
    listing = _read(HEAD + "".join(GOOD.replace("12_3", batch_id) for batch_id in ("9+0", "9+1", "9+2")))
    assert listing.complete
    assert list(listing.rows) == ["9"]
    assert list(listing.parts) == ["9"]


@pytest.mark.parametrize("text", ["12_[4-9%2]", "12_[1,3-5]", "12+1", "12+0_3", "12.cloud", "12_3_4", "12x"])
def test_a_row_of_any_other_form_shows_that_its_job_is_known(text: str) -> None:
    listing = read_listing("sacct", SACCT_COLUMNS, HEAD + GOOD.replace("12_3", text))
    assert listing.complete
    assert not listing.rows
    assert [row.batch_id for row in listing.every_row()] == ["12"]
