"""The short edition of the crash benchmark finds nothing, and the benchmark can find something."""

import pytest

from system_harness.crash import crash
from system_harness.points import SUBMISSION

pytestmark = pytest.mark.system

FAULTS = ("lost", "doubled", "orphaned", "over_limit", "unreported")


def test_nothing_is_lost_or_doubled():
    code, figures, said = crash("--kills", "14", "--workers", "300", "--at", *SUBMISSION, "batch.in_submit")
    assert [figures[kind] for kind in FAULTS] == [0, 0, 0, 0, 0], said
    assert code == 0, said


def test_a_commit_after_the_submission_is_caught():
    defect = ("--defect", "system_harness.submits_first", "--at", "submitter.after_submit", "batch.in_submit")
    code, figures, said = crash("--kills", "6", "--workers", "100", "--patience", "10", *defect)
    assert figures["doubled"], said
    assert code == 1, said
