"""The one clock: the database's. Leases, stamps and ages all read it, so hosts may disagree."""

from typing import Any

from sqlalchemy import Connection, Double, select
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement


class _Now(FunctionElement[float]):
    type = Double()
    inherit_cache = True


@compiles(_Now, "sqlite")
def _sqlite(_element: _Now, _compiler: SQLCompiler, **_options: Any) -> str:
    # 2440587.5 is the Julian day of 1970-01-01; SQLite's own clock ticks in milliseconds.
    return "((julianday('now') - 2440587.5) * 86400.0)"


@compiles(_Now, "postgresql")
def _postgresql(_element: _Now, _compiler: SQLCompiler, **_options: Any) -> str:
    # Not now(): that stands still for the whole transaction, locks waited for included.
    return "CAST(extract(epoch FROM clock_timestamp()) AS double precision)"


def db_now() -> FunctionElement[float]:
    """Return the SQL expression of the database's time, in seconds since 1970 (UTC)."""
    return _Now()


def read_clock(tx: Connection) -> float:
    """Return the database's time now."""
    return tx.execute(_CLOCK).scalar_one()


_CLOCK = select(db_now())
