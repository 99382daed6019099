"""Slurm: workers as batch jobs and array elements of a Slurm cluster."""

from harvester.plugins.slurm.resource import SlurmResource
from harvester.plugins.slurm.settings import SlurmSettings

__all__ = ["SlurmResource", "SlurmSettings"]
