"""The instance that the database belongs to."""

import sqlalchemy as sa
from alembic import op

from harvester.store.migration_steps import KEY

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make room for it; who it is, the next start says."""
    op.create_table(
        "instance",
        sa.Column("only_row", KEY, autoincrement=False, nullable=False),
        sa.Column("harvester_id", sa.String(length=190), nullable=False),
        sa.PrimaryKeyConstraint("only_row", name=op.f("pk_instance")),
        if_not_exists=True,
    )


def downgrade() -> None:
    """Undo that."""
    op.drop_table("instance", if_exists=True)
