"""What can be chosen for a new instance."""

from enum import StrEnum


class Engine(StrEnum):
    """Where the database is."""

    SQLITE = "sqlite"
    MARIADB = "mariadb"
    POSTGRESQL = "postgresql"


class Resource(StrEnum):
    """Where workers run."""

    LOCAL = "local"
    SLURM = "slurm"


class Mode(StrEnum):
    """Who fetches jobs."""

    PUSH = "push"
    PULL = "pull"
