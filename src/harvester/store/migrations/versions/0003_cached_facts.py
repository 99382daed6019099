"""What was fetched for the queues, and the configurations that jobs and workers began with."""

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make room for it."""


def downgrade() -> None:
    """Undo that."""
