"""What one process does for all, and queues that people hold back."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the tables."""
    op.create_table(
        "duties",
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("due", sa.BigInteger(), nullable=True),
        sa.Column("fence", sa.BigInteger(), server_default="0", nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_duties")),
        if_not_exists=True,
    )
    op.create_table(
        "holds",
        sa.Column("queue", sa.String(length=190), nullable=False),
        sa.Column("mode", sa.String(32), nullable=False),
        sa.Column("reason", sa.String(length=500), nullable=False),
        sa.Column("author", sa.String(length=190), nullable=False),
        sa.Column("since", sa.BigInteger(), nullable=False),
        sa.Column("until", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("queue", name=op.f("pk_holds")),
        if_not_exists=True,
    )


def downgrade() -> None:
    """Drop them."""
    op.drop_table("holds", if_exists=True)
    op.drop_table("duties", if_exists=True)
