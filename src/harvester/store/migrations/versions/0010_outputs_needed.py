"""How many outputs the workers of a job have to tell of."""

import sqlalchemy as sa

from harvester.store.migration_steps import add_columns, drop_columns

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make room for it; it is not known of jobs that were fetched before."""
    add_columns("jobs", sa.Column("outputs_needed", sa.Integer()))


def downgrade() -> None:
    """Undo that."""
    drop_columns("jobs", "outputs_needed")
