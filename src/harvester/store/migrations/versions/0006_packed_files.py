"""Files that are packed together, travel together or are shared by jobs."""

import hashlib

import sqlalchemy as sa
from alembic import op

from harvester.store.migration_steps import LONG_TEXT, add_columns, add_index, drop_columns, drop_index

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

_COLUMNS = (
    "url",
    "worker_id",
    "provenance",
    "packed_in",
    "group_id",
    "group_status",
    "grouped_at",
    "objstore_id",
    "path_convention",
    "name_key",
)


def upgrade() -> None:
    """Add the columns, and let jobs find inputs that are there already by their names."""
    add_columns(
        "files",
        sa.Column("url", LONG_TEXT, nullable=True),
        sa.Column("worker_id", sa.BigInteger(), nullable=True),
        sa.Column("provenance", sa.String(length=64), nullable=True),
        sa.Column("packed_in", sa.BigInteger(), nullable=True),
        sa.Column("group_id", sa.String(length=190), nullable=True),
        sa.Column("group_status", sa.String(length=64), nullable=True),
        sa.Column("grouped_at", sa.BigInteger(), nullable=True),
        sa.Column("objstore_id", sa.BigInteger(), nullable=True),
        sa.Column("path_convention", sa.BigInteger(), nullable=True),
        sa.Column("name_key", sa.BigInteger(), nullable=True),
    )
    add_index("files", "name_key")
    add_index("files", "group_id")
    _number_names()


def _number_names() -> None:
    files = sa.table("files", sa.column("file_id"), sa.column("lfn"), sa.column("kind"), sa.column("name_key"))
    connection = op.get_bind()
    inputs = connection.execute(sa.select(files.c.file_id, files.c.lfn).where(files.c.kind == "input")).all()
    if inputs:
        mine = sa.update(files).where(files.c.file_id == sa.bindparam("known")).values(name_key=sa.bindparam("number"))
        connection.execute(mine, [{"known": file_id, "number": _number(lfn)} for file_id, lfn in inputs])


def _number(lfn: str) -> int:
    return int.from_bytes(hashlib.sha256(lfn.encode(errors="surrogatepass")).digest()[:8]) >> 1


def downgrade() -> None:
    """Undo that."""
    drop_index("files", "group_id")
    drop_index("files", "name_key")
    drop_columns("files", *_COLUMNS)
