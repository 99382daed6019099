"""What the server is told of the files of an ended job."""

from typing import Any

import pytest

from harvester.core.jobs import Job, JobStatus, JobSubstatus
from harvester.core.output_report import output_report

STORED = {"out.root": {"guid": "G-1", "fsize": 3, "adler32": "00000001"}}


def job(status: JobStatus = JobStatus.FINISHED, **more: Any) -> Job:  # noqa: ANN401 (any field of a job)
    return Job(7, "Q", status, JobSubstatus.STAGED, **more)


def test_stored_outputs_and_skipped_inputs_are_named():
    told = output_report(job(output_report=STORED, attributes={"skippedInputs": ["b.root", "out.root"]}))
    assert told == {**STORED, "b.root": {"guid": "NULL"}}


@pytest.mark.parametrize("skipped", [None, "b.root", {"b.root": 1}, 7])
def test_what_is_no_list_of_inputs_is_passed_over(skipped: object):
    assert output_report(job(output_report=STORED, attributes={"skippedInputs": skipped})) == STORED


def test_a_failed_job_has_skipped_nothing():
    failed = job(JobStatus.FAILED, output_report=STORED, attributes={"skippedInputs": ["b.root"]})
    assert output_report(failed) == STORED


def test_without_outputs_there_is_no_report():
    assert output_report(job(attributes={"skippedInputs": ["b.root"]})) is None


@pytest.mark.parametrize("ready", ['{"x": {"guid": "1"}}', {"x": {"guid": "1"}}])
def test_the_report_that_the_worker_made_stands(ready: object):
    assert output_report(job(output_report=STORED, attributes={"xml": ready})) == ready


@pytest.mark.parametrize("ready", ["", None, 7, ["x"]])
def test_what_is_no_report_does_not_stand(ready: object):
    assert output_report(job(output_report=STORED, attributes={"xml": ready})) == STORED
