"""What the server is told of the files of an ended job (protocol reference §8.1)."""

from collections.abc import Mapping
from typing import Final

from harvester.core.jobs import Job, JobStatus

_SKIPPED: Final[Mapping[str, object]] = {"guid": "NULL"}
"""An input that stands in the report was skipped: the server reads nothing but its name."""


def output_report(job: Job) -> Mapping[str, object] | str | None:
    """By LFN the outputs that were stored and the inputs that were skipped, or what the worker has made ready itself.

    The worker's attribute `xml` is such a report, as text or as the object that the text means. Without any output
    there is no report, and the server accepts the job as it is.
    """
    ready = job.attributes.get("xml")
    if ready and isinstance(ready, str | Mapping):
        return ready
    if job.output_report is None or job.status is not JobStatus.FINISHED:
        return job.output_report
    skipped = job.attributes.get("skippedInputs")
    names = skipped if isinstance(skipped, list) else ()
    return {**{str(lfn): _SKIPPED for lfn in names}, **job.output_report}
