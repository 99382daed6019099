"""Files that jobs need besides their declared inputs: found when jobs come, used when they are there."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Final

from sqlalchemy import Connection

from harvester.agents.base import Instance
from harvester.config.queues import QueueConfig
from harvester.core.files import File, FileKind
from harvester.panda.errors import BadJob
from harvester.panda.messages import Acquired
from harvester.panda.offers import InputFile, JobOffer, with_local_images
from harvester.plugins.api import Extracted, Extractor, Failed, PluginSettings
from harvester.store import jobs

_NO_PREPARATOR: Final = "it needs auxiliary inputs, but the queue has no aux_preparator"


def with_auxiliary_inputs(
    instance: Instance, queue: QueueConfig, extractor: Extractor[PluginSettings], acquired: Acquired
) -> Acquired:
    """The jobs with what the queue's extractor found; those that cannot have it go back to the server."""
    found = instance.call(extractor.extract, [each.params for each in acquired.offers], Failed)
    judged = [_judge(queue, offer, each) for offer, each in zip(acquired.offers, found, strict=True)]
    return replace(
        acquired,
        offers=tuple(each for each in judged if isinstance(each, JobOffer)),
        refused=(*acquired.refused, *(each for each in judged if isinstance(each, BadJob))),
    )


def _judge(queue: QueueConfig, offer: JobOffer, found: Extracted | Failed) -> JobOffer | BadJob:
    if isinstance(found, Failed):
        return BadJob(offer.job_id, found.reason, offer.attempt)
    if found.inputs and queue.aux_preparator is None:
        return BadJob(offer.job_id, _NO_PREPARATOR, offer.attempt)
    more = (InputFile(each.lfn, None, None, None, each.scope, None, None, each.url) for each in found.inputs)
    return replace(offer, input_files=(*offer.input_files, *more), params={**offer.params, **found.params})


def use_local_images(connection: Connection, inputs: Mapping[int, Sequence[File]]) -> None:
    """Jobs whose container images were brought run these."""
    paths = {
        job: {each.url: each.path for each in some if each.kind is FileKind.AUX_INPUT and each.url and each.path}
        for job, some in inputs.items()
    }
    concerned = {job: some for job, some in paths.items() if some}
    if concerned:
        params = jobs.params_of(connection, concerned)
        changed = {job: with_local_images(params[job], some) for job, some in concerned.items() if job in params}
        jobs.change_params(connection, {job: each for job, each in changed.items() if each != params[job]})
