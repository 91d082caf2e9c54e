"""What SQLite and PostgreSQL both have but SQLAlchemy keeps in two places; loose row types."""

from typing import Any, TypeAlias

from sqlalchemy import Row as ResultRow
from sqlalchemy import Select
from sqlalchemy.dialects import postgresql, sqlite

from shared.catalog.tables import Row

AnyRow: TypeAlias = ResultRow[*tuple[Any, ...]]
AnySelect: TypeAlias = Select[*tuple[Any, ...]]
Insert: TypeAlias = postgresql.Insert | sqlite.Insert


def insert_new(dialect: str, table: type[Row]) -> Insert:
    """Return an INSERT that knows `ON CONFLICT`, in the dialect of that name."""
    return sqlite.insert(table) if dialect == "sqlite" else postgresql.insert(table)
