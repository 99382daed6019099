"""Parts of jobs that workers ask for one after another."""

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make room for it."""


def downgrade() -> None:
    """Undo that."""
