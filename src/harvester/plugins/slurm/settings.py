"""The keys that a queue configuration may give to Slurm, those of existing configurations and our own."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from harvester.config.plugin_blocks import PluginProblem
from harvester.plugins.api import PluginSettings
from harvester.plugins.tools.command_settings import Command
from harvester.plugins.tools.path_settings import missing_script


def _at_least_none(number: int) -> int:
    return max(number, 0)


def _comma_list(value: object) -> object:
    return tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value


Partitions = Annotated[tuple[str, ...], BeforeValidator(_comma_list)]
"""Names of partitions, as a list or separated by commas."""

CoreFactor = int | dict[str, dict[str, int]]
"""One factor, or factors by job type and resource type with `Any` and `Undefined` as the defaults."""


class SlurmSettings(PluginSettings):
    """Settings of a Slurm block; the same model serves as submitter, monitor and sweeper (plugins reference §4.2).

    Attributes:
        template_file: the batch script of a worker, with placeholders; only submitting needs it.
        n_core: cores per worker; 0 takes what the worker asks for, and so does less.
        n_core_per_node: 0, or a key without a value, takes the worker's cores.
        n_node: nodes per worker; None computes it from the cores.
        n_core_factor: multiplies the cores and the memory.
        local_queue_name: value of the placeholder `localQueueName`.
        panda_queue_name: what CRIC calls the queue, for the placeholder of that name.
        log_dir: base of the log files; `log_base_url` is the URL where it can be read.
        partitions: values of the placeholder `partition`.
        check_partition: take the partition with the fewest waiting jobs instead of the first one.
        workers_per_partition_check: how many workers go to one partition before the choice is made again.
        use_squeue_monitor: never ask the accounting database.
        command_timeout: seconds after which a Slurm command is ended.
        array_size: the most workers in one array; the cluster's MaxArraySize also limits it.
        cluster: name of the cluster in a multi-cluster set-up (`--clusters`).
        slurm_conf: configuration of the cluster, if it is not the machine's own (`SLURM_CONF`).
        submit_options: further arguments of `sbatch`.
    """

    template_file: str | None = Field(default=None, alias="templateFile")
    n_core: Annotated[int, AfterValidator(_at_least_none)] = Field(default=0, alias="nCore")
    n_core_per_node: int = Field(default=1, alias="nCorePerNode", ge=0)
    n_node: int | None = Field(default=None, alias="nNode", ge=1)
    n_core_factor: CoreFactor = Field(default=1, alias="nCoreFactor")
    local_queue_name: str = Field(default="grid", alias="localQueueName")
    panda_queue_name: str | None = Field(default=None, alias="pandaQueueName")
    log_dir: str | None = Field(default=None, alias="logDir")
    log_base_url: str | None = Field(default=None, alias="logBaseURL")
    token_dir: str | None = Field(default=None, alias="tokenDir")
    token_name: str | None = Field(default=None, alias="tokenName")
    token_origin: str | None = Field(default=None, alias="tokenOrigin")
    submit_mode: str | None = Field(default=None, alias="submitMode")
    partitions: Partitions = ()
    check_partition: bool = Field(default=False, alias="checkPartition")
    workers_per_partition_check: int = Field(default=10, alias="nWorkersToCheckPartition", ge=1)
    use_squeue_monitor: bool = False

    sbatch: Command = ("sbatch",)
    squeue: Command = ("squeue",)
    sacct: Command = ("sacct",)
    scancel: Command = ("scancel",)
    scontrol: Command = ("scontrol",)
    command_timeout: float = Field(default=60.0, alias="commandTimeout", gt=0)
    array_size: int = Field(default=1000, alias="arraySize", ge=1)
    cluster: str | None = None
    slurm_conf: str | None = Field(default=None, alias="slurmConf")
    submit_options: tuple[str, ...] = Field(default=(), alias="submitOptions")

    @model_validator(mode="before")
    @classmethod
    def _cores_of_the_worker(cls, block: object) -> object:
        if isinstance(block, Mapping) and not block.get("nCorePerNode", True):
            return {**block, "nCorePerNode": 0}
        return block

    def mistakes(self, role: str) -> Iterator[PluginProblem]:
        """What would make each submission fail; only the submitter needs a template."""
        if role != "submitter":
            return
        if self.template_file is None:
            problem = "is not set, so no worker can be submitted"
            yield PluginProblem(problem, 'write "templateFile": and the path of the batch script', "templateFile")
        else:
            yield from missing_script(Path(self.template_file), "templateFile", "batch script")
