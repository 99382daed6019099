"""Alembic's entry: migrations run on the connection that `harvester.store.migrate` hands in."""

from alembic import context

from harvester.store.schema import metadata

context.configure(connection=context.config.attributes["connection"], target_metadata=metadata)
with context.begin_transaction():
    context.run_migrations()
