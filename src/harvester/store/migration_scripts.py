"""The scripts of `migrations` as Alembic runs them.

Whoever only looks at what the tables need does not import this: Alembic takes as long to load as the database itself.
"""

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import Connection


def run(connection: Connection, version: str, version_table: str) -> None:
    """Create or change tables until they are at a version, which the table of versions tells then."""
    config = configuration()
    config.attributes["connection"] = connection
    config.attributes["version_table"] = version_table
    command.upgrade(config, version)


def purposes() -> dict[str, str]:
    """What each version is for."""
    return {each.revision: each.doc for each in ScriptDirectory.from_config(configuration()).walk_revisions()}


def configuration() -> Config:
    """Where the scripts are."""
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).with_name("migrations")))
    return config
