"""Whether jobs end that a worker which is to be killed has not taken up."""

import sqlalchemy as sa
from alembic import op

from harvester.store.migration_steps import add_columns, drop_columns

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

_KILLED = 1144


def upgrade() -> None:
    """Make room for it; kills that may have been the server's or a person's are taken for theirs."""
    add_columns("workers", sa.Column("ends_jobs", sa.Integer(), server_default="0", nullable=False))
    workers = sa.table("workers", sa.column("kill_error"), sa.column("ends_jobs"))
    op.execute(sa.update(workers).where(workers.c.kill_error == _KILLED).values(ends_jobs=1))


def downgrade() -> None:
    """Undo that."""
    drop_columns("workers", "ends_jobs")
