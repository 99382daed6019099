"""The placeholders of a batch script template (plugins reference §4.2.1) and how they are filled in."""

from collections.abc import Mapping
from datetime import datetime

from harvester.core.core_factor import core_factor
from harvester.core.workers import Worker
from harvester.plugins.placeholders import Cores, values_of
from harvester.plugins.slurm.settings import SlurmSettings


class _KeepUnknown(dict[str, object]):
    """Leaves unknown names as they are, so that the shell's `${VAR}` survives."""

    def __missing__(self, key: str) -> str:
        return f"{{{key}}}"


def fill(template: str, values: Mapping[str, object]) -> str:
    """The template with its placeholders filled in.

    Raises:
        ValueError: braces that cannot be read as placeholders, such as the shell's `${VAR:-x}`; double them.
    """
    try:
        return template.format_map(_KeepUnknown(values))
    except (AttributeError, IndexError, KeyError, TypeError, ValueError) as error:
        message = f"a brace in the template cannot be read as a placeholder ({error}); write literal braces doubled"
        raise ValueError(message) from error


def values_for(
    worker: Worker, settings: SlurmSettings, *, instance: str, partition: str, log_url: str, now: datetime
) -> dict[str, object]:
    """All placeholders of one worker: those of all resources and Slurm's own.

    Args:
        worker: whom the script is for.
        settings: of the queue's block.
        instance: `harvester_id`.
        partition: the partition chosen for it, empty if none is configured.
        log_url: where its standard output will be found, for `gtag`.
        now: the time that `logSubDir` is named by.
    """
    return {
        **values_of(
            worker, _cores(worker, settings), instance=instance, gtag=log_url, panda_queue=settings.panda_queue_name
        ),
        "localQueueName": settings.local_queue_name,
        "ceQueueName": settings.local_queue_name,
        "partition": partition,
        "logDir": settings.log_dir or "",
        "logSubDir": f"{settings.log_dir or ''}/{now:%y-%m-%d_%H}",
        **_tokens(settings),
    }


def _cores(worker: Worker, settings: SlurmSettings) -> Cores:
    number = settings.n_core or worker.cores
    factor = core_factor(settings.n_core_factor, worker.job_type, worker.resource_type)
    return Cores(number, settings.n_core_per_node or number, settings.n_node, factor)


def _tokens(settings: SlurmSettings) -> dict[str, object]:
    """Placeholders that exist only where they are configured."""
    optional = {
        "tokenDir": settings.token_dir,
        "tokenName": settings.token_name,
        "tokenOrigin": settings.token_origin,
        "submitMode": settings.submit_mode,
    }
    return {name: value for name, value in optional.items() if value is not None}
