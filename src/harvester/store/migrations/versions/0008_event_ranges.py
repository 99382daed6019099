"""Parts of jobs that workers ask for one after another."""

import sqlalchemy as sa
from alembic import op

from harvester.store.migration_steps import KEY, LONG_TEXT, add_columns, add_index, drop_columns

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make room for it."""
    add_columns("jobs", sa.Column("events", sa.String(32)), sa.Column("events_left", sa.BigInteger()))
    op.create_table(
        "events",
        sa.Column("event_id", KEY, autoincrement=True, nullable=False),
        sa.Column("job_id", sa.BigInteger(), nullable=False),
        sa.Column("worker_id", sa.BigInteger(), nullable=False),
        sa.Column("range_id", sa.String(length=190), nullable=False),
        sa.Column("state", sa.String(32), nullable=False),
        sa.Column("word", sa.String(length=32), server_default="", nullable=False),
        sa.Column("about", LONG_TEXT, nullable=True),
        sa.Column("file_id", sa.BigInteger(), nullable=True),
        sa.Column("delivery", sa.BigInteger(), nullable=True),
        sa.Column("given", LONG_TEXT, nullable=True),
        sa.PrimaryKeyConstraint("event_id", name=op.f("pk_events")),
        if_not_exists=True,
    )
    add_index("events", "job_id", "range_id")
    add_index("events", "job_id", "state")
    add_index("events", "delivery")
    op.create_table(
        "event_requests",
        sa.Column("worker_id", KEY, autoincrement=False, nullable=False),
        sa.Column("queue", sa.String(length=190), nullable=False),
        sa.Column("wanted", LONG_TEXT, nullable=False),
        sa.Column("token", sa.String(length=80), server_default="", nullable=False),
        sa.Column("delivery", sa.BigInteger(), nullable=True),
        sa.Column("due", sa.BigInteger(), nullable=True),
        sa.Column("fence", sa.BigInteger(), server_default="0", nullable=False),
        sa.PrimaryKeyConstraint("worker_id", name=op.f("pk_event_requests")),
        if_not_exists=True,
    )
    add_index("event_requests", "due")


def downgrade() -> None:
    """Undo that."""
    op.drop_table("event_requests", if_exists=True)
    op.drop_table("events", if_exists=True)
    drop_columns("jobs", "events", "events_left")
