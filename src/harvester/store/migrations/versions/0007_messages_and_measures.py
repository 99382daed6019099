"""What the server is told about the service itself."""

import sqlalchemy as sa
from alembic import op

from harvester.store.migration_steps import KEY, LONG_TEXT, add_index

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the tables."""
    op.create_table(
        "credentials",
        sa.Column("host", sa.String(length=190), nullable=False),
        sa.Column("name", sa.String(length=190), nullable=False),
        sa.Column("setup", sa.String(length=190), nullable=False),
        sa.Column("valid_until", sa.BigInteger(), nullable=True),
        sa.Column("checked_at", sa.BigInteger(), nullable=False),
        sa.Column("renewed_at", sa.BigInteger(), nullable=True),
        sa.Column("problem", sa.String(length=500), nullable=False),
        sa.PrimaryKeyConstraint("host", "name", name=op.f("pk_credentials")),
        if_not_exists=True,
    )
    op.create_table(
        "measurements",
        sa.Column("measurement_id", KEY, autoincrement=True, nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("host", sa.String(length=190), nullable=False),
        sa.Column("metrics", LONG_TEXT, nullable=False),
        sa.Column("reported", sa.Integer(), server_default="0", nullable=False),
        sa.PrimaryKeyConstraint("measurement_id", name=op.f("pk_measurements")),
        if_not_exists=True,
    )
    add_index("measurements", "at")
    op.create_table(
        "dialogs",
        sa.Column("dialog_id", KEY, autoincrement=True, nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("module", sa.String(length=100), nullable=False),
        sa.Column("identifier", sa.String(length=100), nullable=False),
        sa.Column("level", sa.String(length=10), nullable=False),
        sa.Column("message", sa.String(length=500), nullable=False),
        sa.PrimaryKeyConstraint("dialog_id", name=op.f("pk_dialogs")),
        if_not_exists=True,
        sqlite_autoincrement=True,
    )
    add_index("dialogs", "at")


def downgrade() -> None:
    """Drop them."""
    for table in ("dialogs", "measurements", "credentials"):
        op.drop_table(table, if_exists=True)
