"""The one clock: the database's. Leases, stamps and ages all read it, so hosts may disagree.

For tests it can be skewed: then it is ahead by as many seconds as the counter `skew` says, which
one statement moves for every process at once. Where it is not, it costs nothing, since which of
the two it is goes into the SQL text.
"""

from typing import Any
from weakref import WeakSet

from sqlalchemy import Connection, Dialect, Double, Engine, select
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement

_skewed: WeakSet[Dialect] = WeakSet()
_SKEW = "coalesce((SELECT value FROM counters WHERE name = 'skew'), 0)"


class _Now(FunctionElement[float]):
    type = Double()
    inherit_cache = True


@compiles(_Now, "sqlite")
def _sqlite(_element: _Now, compiler: SQLCompiler, **_options: Any) -> str:
    # 2440587.5 is the Julian day of 1970-01-01; SQLite's own clock ticks in milliseconds.
    return _with_skew("((julianday('now') - 2440587.5) * 86400.0)", compiler)


@compiles(_Now, "postgresql")
def _postgresql(_element: _Now, compiler: SQLCompiler, **_options: Any) -> str:
    # Not now(): that stands still for the whole transaction, locks waited for included.
    return _with_skew("CAST(extract(epoch FROM clock_timestamp()) AS double precision)", compiler)


def _with_skew(clock: str, compiler: SQLCompiler) -> str:
    return f"({clock} + {_SKEW})" if compiler.dialect in _skewed else clock


def skew(engine: Engine) -> None:
    """Let all that is compiled for *engine* from now on read the skewed clock; for tests."""
    _skewed.add(engine.dialect)


def db_now() -> FunctionElement[float]:
    """Return the SQL expression of the database's time, in seconds since 1970 (UTC)."""
    return _Now()


def read_clock(tx: Connection) -> float:
    """Return the database's time now."""
    return tx.execute(_CLOCK).scalar_one()


_CLOCK = select(db_now())
