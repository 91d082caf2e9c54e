"""What all tables share."""

from typing import ClassVar

from sqlalchemy import (
    BigInteger,
    Boolean,
    Double,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Text,
    literal_column,
    text,
)
from sqlalchemy.orm import DeclarativeBase

# SQLite makes only an INTEGER key automatic; its integers have 64 bits under either name.
_BIG = BigInteger().with_variant(Integer(), "sqlite")
NO_REUSE = {"sqlite_autoincrement": True}

# Written into the SQL, never bound: a partial index serves only a condition that it can see.
PENDING = literal_column("'pending'", Text())
CLAIMED = literal_column("'claimed'", Text())
ACTIVE = literal_column("'active'", Text())
LIVE = literal_column("'live'", Text())
EXPIRED = literal_column("'expired'", Text())
BURIED = literal_column("'buried'", Text())
WAITING_STATES = (PENDING, CLAIMED)
KEPT_STATES = (LIVE, EXPIRED)
"""Of versions whose files are there."""

HEAD_COUNTER = "head"
VECTOR_COUNTER = "vector"
EVENT_COUNTER = "event"
COUNTERS = (HEAD_COUNTER, VECTOR_COUNTER, EVENT_COUNTER)


class Row(DeclarativeBase):
    """What all tables share: names of constraints, and how Python types are stored."""

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_N_name)s",
            "pk": "pk_%(table_name)s",
        }
    )
    type_annotation_map: ClassVar = {
        int: _BIG,
        float: Double(),
        str: Text(),
        bytes: LargeBinary(),
        bool: Boolean(),
    }


def partial(name: str, *columns: str, where: str, unique: bool = False) -> Index:
    """Return an index over the rows for which *where* (SQL) holds."""
    condition = text(where)
    return Index(name, *columns, unique=unique, sqlite_where=condition, postgresql_where=condition)
