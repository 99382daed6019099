"""Steps of migrations that may be repeated.

MariaDB commits every change of a table by itself, so whoever dies on the way leaves some done.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.mysql import LONGTEXT

KEY = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
LONG_TEXT = sa.Text().with_variant(LONGTEXT(), "mysql", "mariadb")


def add_columns(table: str, *columns: sa.Column[object]) -> None:
    """Add those of the columns that the table does not have yet."""
    present = _columns_of(table)
    for column in columns:
        if column.name not in present:
            op.add_column(table, column)


def drop_columns(table: str, *names: str) -> None:
    """Drop those of the columns that the table still has."""
    present = _columns_of(table)
    for name in names:
        if name in present:
            op.drop_column(table, name)


def add_index(table: str, *columns: str) -> None:
    """Index the columns, under the name that the schema gives to that index."""
    op.create_index(op.f(f"ix_{table}_{'_'.join(columns)}"), table, list(columns), if_not_exists=True)


def drop_index(table: str, *columns: str) -> None:
    """Drop the index of the columns."""
    op.drop_index(op.f(f"ix_{table}_{'_'.join(columns)}"), table, if_exists=True)


def _columns_of(table: str) -> set[str]:
    return {column["name"] for column in sa.inspect(op.get_bind()).get_columns(table)}
