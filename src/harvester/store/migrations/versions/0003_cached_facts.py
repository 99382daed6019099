"""What was fetched for the queues, and the configurations that jobs and workers began with."""

import sqlalchemy as sa
from alembic import op

from harvester.store.migration_steps import LONG_TEXT

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the table."""
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


def downgrade() -> None:
    """Drop it."""
    op.drop_table("cache", if_exists=True)
