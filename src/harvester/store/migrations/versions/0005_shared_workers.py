"""Jobs that share workers, workers that share a job, and workers that ask for jobs while they run."""

import sqlalchemy as sa

from harvester.store.migration_steps import add_columns, drop_columns

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make room for it."""
    add_columns(
        "jobs",
        sa.Column("workers_at_once", sa.Integer(), nullable=True),
        sa.Column("grows_at", sa.BigInteger(), nullable=True),
    )
    add_columns(
        "workers",
        sa.Column("late_binding", sa.Integer(), server_default="0", nullable=False),
        sa.Column("jobs_asked", sa.Integer(), server_default="0", nullable=False),
    )
    add_columns("job_workers", sa.Column("told", sa.Integer(), server_default="1", nullable=False))


def downgrade() -> None:
    """Undo that."""
    drop_columns("job_workers", "told")
    drop_columns("workers", "jobs_asked", "late_binding")
    drop_columns("jobs", "grows_at", "workers_at_once")
