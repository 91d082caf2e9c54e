"""Faults of a database, struck at one certain statement of one thread.

Nothing is pretended: the database itself refuses, rolls back or hangs up, and whatever its driver
says then is what the catalog meets.
"""

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any, TypeAlias

from sqlalchemy import event

from shared.catalog import Database
from tests.postgres import Postgres

Strike: TypeAlias = Callable[[Any], object]
"""Called with a cursor of the driver just before it executes a statement."""


@dataclass(slots=True)
class Blow:
    """Whether a strike has fallen."""

    left: int
    fell: bool = field(default=False)


@contextmanager
def struck_at(database: Database, number: int, strike: Strike) -> Iterator[Blow]:
    """Let *strike* happen before the *number*-th statement that this thread executes in the block.

    It happens once. Connections are opened anew afterwards.
    """
    blow, thread = Blow(number), threading.get_ident()
    engine = database._engines().write

    def execute(cursor: Any, *_: object) -> None:
        if threading.get_ident() != thread or blow.fell:
            return
        blow.left -= 1
        if blow.left <= 0:
            blow.fell = True
            strike(cursor)

    names = ("do_execute", "do_execute_no_params", "do_executemany")
    for name in names:
        event.listen(engine, name, execute)
    try:
        yield blow
    finally:
        for name in names:
            event.remove(engine, name, execute)
        database.close()


def strikes_of(database: Database, postgres: Postgres | None, url: str) -> Mapping[str, Strike]:
    """Return what can befall a transaction on this kind of database, by name."""
    if postgres is None:
        return {"full": _fill_the_disk, "read-only": _make_read_only}
    return {
        "57P01": lambda _: postgres.disconnect(url),  # an administrator ends the session
        "40001": partial(_raise, "40001"),  # serialization failure
        "40P01": partial(_raise, "40P01"),  # deadlock detected
    }


def _raise(state: str, cursor: Any) -> None:
    cursor.execute(f"DO $$ BEGIN RAISE SQLSTATE '{state}'; END $$")


def _fill_the_disk(cursor: Any) -> None:
    """Let the file not grow any more: SQLite says `SQLITE_FULL` as it does on a full disk."""
    cursor.execute("PRAGMA max_page_count = 1")


def _make_read_only(cursor: Any) -> None:
    cursor.execute("PRAGMA query_only = ON")
