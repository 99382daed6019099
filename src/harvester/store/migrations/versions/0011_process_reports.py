"""What each process tells of itself."""

import sqlalchemy as sa

from harvester.store.migration_steps import LONG_TEXT, add_columns, drop_columns

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make room for it."""
    add_columns("owners", sa.Column("report", LONG_TEXT, nullable=True))


def downgrade() -> None:
    """Undo that."""
    drop_columns("owners", "report")
