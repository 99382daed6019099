"""What the server offers, as jobs and files of this instance."""

from harvester.core.events import event_mode
from harvester.core.files import File, FileKind, FileStatus
from harvester.core.jobs import Job, JobStatus, JobSubstatus, PilotError
from harvester.panda.errors import BadJob
from harvester.panda.offers import JobOffer, needed_outputs


def fetched_job(offer: JobOffer, queue: str, version: int | None) -> Job:
    """The job of a queue with this version of its configuration."""
    return Job(
        job_id=offer.job_id,
        queue=queue,
        status=JobStatus.STARTING,
        substatus=JobSubstatus.FETCHED,
        attempt=offer.attempt,
        task_id=offer.task_id,
        priority=offer.priority,
        cores=offer.cores,
        resource_type=offer.resource_type,
        label=offer.prod_source_label,
        config_version=version,
        events=event_mode(offer.params),
        outputs_needed=_outputs_needed(offer),
    )


def _outputs_needed(offer: JobOffer) -> int | None:
    """How many outputs have to be told of; where some need not be, their names have to be looked at."""
    needed = len(needed_outputs(offer.params, offer.output_files))
    return needed if needed in {0, len(offer.output_files)} else None


def refused_job(bad: BadJob, queue: str) -> Job | None:
    """A job that cannot be run goes back to the server as failed; one that cannot even be named is lost to it."""
    if bad.job_id is None or bad.attempt is None:
        return None
    return Job(
        job_id=bad.job_id,
        queue=queue,
        status=JobStatus.FAILED,
        substatus=JobSubstatus.FAILED_TO_PREPARE,
        attempt=bad.attempt,
        attributes={"pilotErrorCode": PilotError.SETUP, "pilotErrorDiag": bad.reason[:500]},
    )


def input_files(offer: JobOffer, endpoint: str | None) -> list[File]:
    """The inputs of a job; those that the queue brings to one endpoint for all of its jobs are of that endpoint."""
    return [
        File(
            file_id=0,
            job_id=offer.job_id,
            lfn=each.lfn,
            kind=FileKind.INPUT if each.url is None else FileKind.AUX_INPUT,
            status=FileStatus.TO_PREPARE,
            size=each.size,
            checksum=each.checksum,
            guid=each.guid,
            scope=each.scope,
            dataset=each.dataset,
            endpoint=each.endpoint if each.url is not None else endpoint or each.endpoint,
            url=each.url,
        )
        for each in offer.input_files
    ]
