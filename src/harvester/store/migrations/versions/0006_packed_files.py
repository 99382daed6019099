"""Files that travel together."""

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make room for it."""


def downgrade() -> None:
    """Undo that."""
