"""What was fetched for the queues, and the configurations that jobs and workers began with."""

import sqlalchemy as sa
from alembic import op

from harvester.store.migration_steps import KEY, LONG_TEXT, add_columns, drop_columns

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the tables, and let jobs and workers know their version."""
    op.create_table(
        "cache",
        sa.Column("main_key", sa.String(length=190), nullable=False),
        sa.Column("sub_key", sa.String(length=190), nullable=False),
        sa.Column("data", LONG_TEXT, nullable=True),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("refreshed_at", sa.BigInteger(), nullable=True),
        sa.Column("tried_at", sa.BigInteger(), nullable=False),
        sa.Column("problem", sa.String(length=500), server_default="", nullable=False),
        sa.PrimaryKeyConstraint("main_key", "sub_key", name=op.f("pk_cache")),
        if_not_exists=True,
    )
    op.create_table(
        "queue_versions",
        sa.Column("version", KEY, autoincrement=True, nullable=False),
        sa.Column("queue", sa.String(length=190), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("config", LONG_TEXT, nullable=False),
        sa.Column("confirmed_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("version", name=op.f("pk_queue_versions")),
        sa.UniqueConstraint("queue", "digest", name=op.f("uq_queue_versions_queue_digest")),
        if_not_exists=True,
        sqlite_autoincrement=True,
    )
    for table in ("jobs", "workers"):
        add_columns(table, sa.Column("config_version", sa.BigInteger(), nullable=True))


def downgrade() -> None:
    """Drop them."""
    for table in ("workers", "jobs"):
        drop_columns(table, "config_version")
    op.drop_table("queue_versions", if_exists=True)
    op.drop_table("cache", if_exists=True)
