"""How many workers the server ordered."""

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make room for it."""


def downgrade() -> None:
    """Undo that."""
