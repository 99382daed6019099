"""Jobs that share workers and workers that share a job."""

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make room for it."""


def downgrade() -> None:
    """Undo that."""
