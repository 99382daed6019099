"""What a local worker runs: the queue's command or template with the worker's values filled in.

A name in braces that is not a placeholder stays as it is, so shell code survives.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Final

from harvester.core.workers import Worker
from harvester.plugins.placeholders import Cores, values_of

Values = Mapping[str, str]

_IN_COMMAND: Final = re.compile(r"\$?\{(\w+)\}")
_IN_SCRIPT: Final = re.compile(r"(?<!\$)\{(\w+)\}")


def values_for(worker: Worker, instance: str, core_limit: int, panda_queue: str | None = None) -> Values:
    """All placeholders of one worker; the machine is one node with `core_limit` cores."""
    cores = Cores(worker.cores, core_limit, nodes=1)
    values = values_of(worker, cores, instance=instance, gtag=stdout_of(worker), panda_queue=panda_queue)
    return {name: str(value) for name, value in values.items()}


def fill_command(command: Sequence[str], values: Values) -> tuple[str, ...]:
    """An argument list with `{name}` and `${name}` filled in; no shell ever sees it."""
    return tuple(_fill(_IN_COMMAND, argument, values) for argument in command)


def fill_script(template: str, values: Values) -> str:
    """A script with `{name}` filled in; `${name}` belongs to the shell."""
    return _fill(_IN_SCRIPT, template, values)


def stdout_of(worker: Worker) -> str:
    """Where the worker's standard output goes."""
    return f"{worker.access_point}/{worker.worker_id}.out"


def stderr_of(worker: Worker) -> str:
    """Where the worker's error output goes."""
    return f"{worker.access_point}/{worker.worker_id}.err"


def script_of(worker: Worker) -> str:
    """Where the rendered template goes."""
    return f"{worker.access_point}/{worker.worker_id}_submit.sh"


def _fill(placeholder: re.Pattern[str], text: str, values: Values) -> str:
    return placeholder.sub(lambda match: values.get(match[1], match[0]), text)
