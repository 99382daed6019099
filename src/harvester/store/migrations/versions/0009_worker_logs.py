"""Logs of workers that are brought to the server."""

import sqlalchemy as sa
from alembic import op

from harvester.store.migration_steps import KEY, LONG_TEXT, add_index

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make room for it."""
    op.create_table(
        "worker_logs",
        sa.Column("worker_id", KEY, autoincrement=False, nullable=False),
        sa.Column("queue", sa.String(length=190), nullable=False),
        sa.Column("paths", LONG_TEXT, nullable=False),
        sa.Column("sent", LONG_TEXT, nullable=False),
        sa.Column("tries", sa.Integer(), server_default="0", nullable=False),
        sa.Column("due", sa.BigInteger(), nullable=True),
        sa.Column("fence", sa.BigInteger(), server_default="0", nullable=False),
        sa.PrimaryKeyConstraint("worker_id", name=op.f("pk_worker_logs")),
        if_not_exists=True,
    )
    add_index("worker_logs", "due")


def downgrade() -> None:
    """Undo that."""
    op.drop_table("worker_logs", if_exists=True)
