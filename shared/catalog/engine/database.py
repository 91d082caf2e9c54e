"""The database behind the catalog: transactions, and what their failures mean."""

import os
import random
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field
from typing import Any, TypeVar

from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url
from sqlalchemy.exc import (
    DataError,
    DBAPIError,
    IntegrityError,
    NotSupportedError,
    ProgrammingError,
)
from sqlalchemy.exc import (
    TimeoutError as PoolTimeout,
)

from shared.catalog.content import fields
from shared.catalog.engine import clock, durability, migrating
from shared.errors import CatalogUnavailable, CommitUnknown, LaminaError

T = TypeVar("T")

_WAIT_SECONDS = 30
_POOL = 48  # connections of one process: 32 request threads, and its background threads
_TRIES = 6
_FIRST_PAUSE_SECONDS = 0.01
_CONTENDED = frozenset({"40001", "40P01"})  # serialization failure, deadlock
_OTHER_SCHEMA = frozenset({"42P01", "42703"})  # undefined table, undefined column
_OUR_FAULT = (IntegrityError, ProgrammingError, DataError, NotSupportedError)


class _Contended(CatalogUnavailable):
    """Other transactions were in the way: the same transaction may pass when tried again."""


@dataclass(frozen=True, slots=True)
class _Engines:
    """The connections of one process, in its three uses."""

    write: Engine
    read: Engine
    glance: Engine
    turn: threading.Lock = field(default_factory=threading.Lock)


class Database:
    """A SQLite file or a PostgreSQL database. Opened when first used, in each process anew."""

    def __init__(self, url: str, *, skewed: bool = False) -> None:
        """Open nothing yet.

        Args:
            url: SQLAlchemy's address.
            skewed: for tests, whether its clock may be off (see `clock.py`).
        """
        self._url = make_url(url)
        self._skewed = skewed
        # By process id, because a child must not use, nor close, what its parent opened.
        self._opened: dict[int, _Engines] = {}

    @property
    def url(self) -> URL:
        """Its address."""
        return self._url

    @property
    def schema(self) -> str:
        """The newest schema revision that this program knows."""
        return migrating.newest()

    @property
    def sqlite(self) -> bool:
        """Whether it is a SQLite file."""
        return self._url.get_backend_name() == "sqlite"

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """Open a transaction that commits at the end of the block, or writes nothing.

        Raises:
            CatalogUnavailable: the database cannot do it now; nothing was written.
            CommitUnknown: the connection was lost during COMMIT.
        """
        engines = self._engines()
        with self._turn(engines.turn), _translated(), engines.write.connect() as connection:
            connection.begin()
            yield connection
            _commit(connection)

    def run(self, work: Callable[[Connection], T]) -> T:
        """Call *work* in a write transaction; again if a deadlock or such undid it."""
        pause = _FIRST_PAUSE_SECONDS
        for _ in range(_TRIES - 1):
            try:
                with self.write() as connection:
                    return work(connection)
            except _Contended:
                time.sleep(random.uniform(0, pause))  # noqa: S311 - jitter
                pause *= 2
        with self.write() as connection:
            return work(connection)

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """Open a transaction that reads one snapshot; it neither waits for writers nor blocks them.

        Raises:
            CatalogUnavailable: the database cannot do it now.
        """
        with _translated(), self._engines().read.connect() as connection:
            yield connection

    @contextmanager
    def glance(self) -> Iterator[Connection]:
        """Open a connection for one single statement: no transaction, fewest round trips.

        Raises:
            CatalogUnavailable: the database cannot do it now.
        """
        with _translated(), self._engines().glance.connect() as connection:
            yield connection

    def migrate(self) -> None:
        """Bring the schema up to date; of several processes at once, one does it.

        Raises:
            ConfigurationError: the catalog was made by a newer Lamina.
        """
        migrating.prepare(self._url)
        with self.write() as connection:
            migrating.upgrade(connection)
        while self.run(fields.file_some):  # in steps, beside whatever else runs
            pass

    def check(self) -> None:
        """Make sure that this program can work with the catalog.

        Raises:
            CatalogUnavailable: it cannot be reached, or is not migrated yet.
            ConfigurationError: a newer Lamina migrated it to what this program cannot work with.
        """
        with self.glance() as connection:
            migrating.check(connection)

    def found_schema(self) -> str | None:
        """Return the catalog's schema revision; None before it is migrated.

        Raises:
            CatalogUnavailable: it cannot be reached.
        """
        with self.glance() as connection:
            return migrating.revision_of(connection)

    def weaknesses(self) -> Sequence[str]:
        """Return, in words, how the database could lose what it said was committed.

        Raises:
            CatalogUnavailable: it cannot be reached.
        """
        with self.read() as connection:
            return durability.weaknesses(connection)

    def empty_log(self) -> None:
        """Let a SQLite file's log hold no old pages, as far as no reader still needs them.

        Raises:
            CatalogUnavailable: the database cannot do it now.
        """
        if self.sqlite:
            with self.glance() as connection:
                connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)").all()

    def close(self) -> None:
        """Close this process's idle connections."""
        if engines := self._opened.pop(os.getpid(), None):
            engines.write.dispose()

    def _engines(self) -> _Engines:
        opened = self._opened.get(os.getpid())
        # Two threads may both get here: setdefault picks one, the other never connected.
        return opened or self._opened.setdefault(os.getpid(), self._open())

    def _open(self) -> _Engines:
        opened = _open(self._url)
        if self._skewed:
            clock.skew(opened.write)
        return opened

    def _turn(self, lock: threading.Lock) -> AbstractContextManager[None]:
        """Queue up for SQLite's single writer; its own busy handler sleeps, and unfairly."""
        return _held(lock) if self.sqlite else nullcontext()


def _open(url: URL) -> _Engines:
    if url.get_backend_name() == "sqlite":
        return _open_sqlite(url)
    return _open_postgresql(url)


def _open_sqlite(url: URL) -> _Engines:
    engine = create_engine(
        url,
        pool_size=_POOL,
        max_overflow=0,
        pool_timeout=_WAIT_SECONDS,
        connect_args={"timeout": _WAIT_SECONDS, "check_same_thread": False},
    )
    event.listen(engine, "connect", _set_up_sqlite)
    event.listen(engine, "begin", _begin_sqlite)
    return _Engines(
        write=engine.execution_options(begin="BEGIN IMMEDIATE"),
        read=engine.execution_options(begin="BEGIN"),
        glance=engine,
    )


def _set_up_sqlite(connection: Any, _record: object) -> None:
    # Without this the driver would open transactions by itself, and late (not IMMEDIATE).
    connection.isolation_level = None
    _keep_log(connection)
    for pragma in (
        "synchronous = FULL",
        "foreign_keys = ON",
        "secure_delete = ON",  # a purge must leave nothing; Debian's SQLite does so anyway
    ):
        connection.execute(f"PRAGMA {pragma}")


def _keep_log(connection: Any) -> None:
    """Switch the file to a write-ahead log, where SQLite does not wait for others by itself."""
    deadline = time.monotonic() + _WAIT_SECONDS
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError as error:
            busy = error.sqlite_errorcode & 0xFF == sqlite3.SQLITE_BUSY
            if not busy or time.monotonic() > deadline:
                raise
            time.sleep(_FIRST_PAUSE_SECONDS)
        else:
            return


def _begin_sqlite(connection: Connection) -> None:
    if statement := connection.get_execution_options().get("begin"):
        connection.exec_driver_sql(statement)


def _open_postgresql(url: URL) -> _Engines:
    engine = create_engine(
        url,
        pool_size=_POOL // 4,
        max_overflow=_POOL - _POOL // 4,
        pool_timeout=_WAIT_SECONDS,
        pool_pre_ping=True,
        connect_args={
            "connect_timeout": 5,
            "application_name": "lamina",
            "tcp_user_timeout": _WAIT_SECONDS * 1000,
            "options": f"-c lock_timeout={_WAIT_SECONDS}s",
        },
    )
    return _Engines(
        write=engine.execution_options(isolation_level="READ COMMITTED"),
        read=engine.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True),
        glance=engine.execution_options(isolation_level="AUTOCOMMIT"),
    )


@contextmanager
def _held(lock: threading.Lock) -> Iterator[None]:
    if not lock.acquire(timeout=_WAIT_SECONDS):
        raise CatalogUnavailable("Other writers of this process kept the catalog busy.")
    try:
        yield
    finally:
        lock.release()


def _commit(connection: Connection) -> None:
    try:
        connection.commit()
    except DBAPIError as error:
        if error.connection_invalidated:
            raise CommitUnknown(str(error.orig)) from error
        raise


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except PoolTimeout as error:
        raise CatalogUnavailable("All connections to the catalog are in use.") from error
    except DBAPIError as error:
        if meaning := _meaning(error):
            raise meaning from error
        raise


def _meaning(error: DBAPIError) -> LaminaError | None:
    """Return what an error of the driver means; None if it is a fault of the program."""
    code = getattr(error.orig, "sqlstate", None)
    if code in _OTHER_SCHEMA or str(error.orig).startswith(("no such table", "no such column")):
        return CatalogUnavailable(
            f"The catalog is not of this version of Lamina ({error.orig}); `lamina migrate` brings "
            "it up to date."
        )
    if isinstance(error, _OUR_FAULT) and not error.connection_invalidated:
        return None
    if code in _CONTENDED:
        return _Contended(str(error.orig))
    return CatalogUnavailable(str(error.orig))
