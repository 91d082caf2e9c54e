"""Whether the database keeps what it said was committed, through a power cut."""

from collections.abc import Sequence

from sqlalchemy import Connection

_SYNCHRONOUS_FULL = 2
_SAFE = {"fsync": "on", "full_page_writes": "on"}


def weaknesses(connection: Connection) -> Sequence[str]:
    """Return, in words, what keeps the database from being safe; empty if nothing does."""
    if connection.dialect.name == "sqlite":
        return _of_sqlite(connection)
    return _of_postgresql(connection)


def _of_sqlite(connection: Connection) -> list[str]:
    found = []
    mode = connection.exec_driver_sql("PRAGMA journal_mode").scalar_one()
    if mode != "wal":
        found.append(f"SQLite's journal_mode is {mode}, not wal: readers wait for writers.")
    if connection.exec_driver_sql("PRAGMA synchronous").scalar_one() < _SYNCHRONOUS_FULL:
        found.append("SQLite's synchronous is below FULL: a power cut can undo commits.")
    return found


def _of_postgresql(connection: Connection) -> list[str]:
    found = []
    for name, safe in _SAFE.items():
        value = connection.exec_driver_sql(f"SHOW {name}").scalar_one()
        if value != safe:
            found.append(f"PostgreSQL's {name} is {value}: a power cut can damage the database.")
    if connection.exec_driver_sql("SHOW synchronous_commit").scalar_one() == "off":
        found.append("PostgreSQL's synchronous_commit is off: a power cut can undo commits.")
    return found
