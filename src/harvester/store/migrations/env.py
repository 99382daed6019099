"""Alembic's entry: migrations run on the connection that `harvester.store.migrate` hands in."""

from alembic import context

from harvester.store.schema import metadata

given = context.config.attributes
context.configure(connection=given["connection"], target_metadata=metadata, version_table=given["version_table"])
with context.begin_transaction():
    context.run_migrations()
