"""How many workers the server ordered."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the table."""
    op.create_table(
        "ordered_workers",
        sa.Column("queue", sa.String(length=190), nullable=False),
        sa.Column("job_type", sa.String(length=64), nullable=False),
        sa.Column("resource_type", sa.String(length=64), nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.Column("ordered_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("queue", "job_type", "resource_type", name=op.f("pk_ordered_workers")),
        if_not_exists=True,
    )


def downgrade() -> None:
    """Drop it."""
    op.drop_table("ordered_workers", if_exists=True)
