"""Fault 10 and 11: the database hangs up, rolls back, is full, read-only, locked, or killed."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, event

from shared.catalog.engine import database as database_module
from shared.domain import Chunking, ChunkingMode
from shared.errors import CatalogUnavailable, Retryable
from shared.indexing.turns import index_next
from tests.faults.accounts import Account, documents_of
from tests.faults.stores import Warned
from tests.faults.strikes import strikes_of, struck_at
from tests.keeping import database_of
from tests.postgres import Postgres, running_postgres
from tests.unit.web.installation import Installation, body_of, problem_of
from tests.worlds import World

DOCUMENTS = "/api/v1/collections/c/documents"
LONG = " and so on" * 3000
"""So long a text needs pages of its own, which a full disk does not have."""
MOST_STATEMENTS = 100
"""No piece of work here has so many: a sweep that gets so far does not end."""
SQLITE, POSTGRESQL = ["full", "read-only"], ["57P01", "40001", "40P01"]
STRIKES = [("sqlite", one) for one in SQLITE] + [("postgresql", one) for one in POSTGRESQL]
IN_SHORT = ("full", "57P01")
SWEEPS = [pytest.param(url, fault, 4, id=fault) for url, fault in STRIKES if fault in IN_SHORT] + [
    pytest.param(url, fault, 1, id=f"{fault}-everywhere", marks=pytest.mark.slow)
    for url, fault in STRIKES
]
"""A turn has some fifty statements: every fourth in short, and all of them as a slow test."""


@pytest.fixture
def account(tmp_path: Path, database_url: str) -> Iterator[Account]:
    whole = Chunking(mode=ChunkingMode.NONE)
    with World.open(tmp_path, database_url=database_url, chunking=whole) as world:
        account = Account(world)
        account.add(old="the oldest text")
        world.index_all()
        yield account


def texts(number: int) -> dict[str, str]:
    """Return a new document, and a change of one that is there."""
    return {f"d{number}": f"text {number}{LONG}", "old": f"change {number}"}


class Sweep:
    """Strikes at the first statement of a piece of work, then at a later one, and so on."""

    def __init__(
        self, account: Account, fault: str, request: pytest.FixtureRequest, stride: int = 1
    ) -> None:
        database = database_of(account.world)
        postgres: Postgres | None = None
        if not database.sqlite:
            postgres = request.getfixturevalue("postgres")
        url = database.url.render_as_string(hide_password=False)
        self._database = database
        self._strike = strikes_of(database, postgres, url)[fault]
        self._stride = stride
        self.statements = 0

    def __iter__(self) -> Iterator[int]:
        """Count up until the work has no more statements."""
        for number in range(1, MOST_STATEMENTS, self._stride):
            self.statements = number - 1
            self._fell = False
            yield number
            if not self._fell:
                return
        raise AssertionError("[sweep] it has no end")

    @contextmanager
    def at(self, number: int) -> Iterator[None]:
        """Strike at this statement of what is done in the block."""
        with struck_at(self._database, number, self._strike) as blow:
            yield
        self._fell = blow.fell


@pytest.mark.parametrize(
    ("database_url", "fault"), STRIKES, indirect=["database_url"], ids=[one for _, one in STRIKES]
)
def test_a_fault_at_any_statement_of_accepting_is_got_over_with_the_key(
    account: Account, fault: str, request: pytest.FixtureRequest
) -> None:
    sweep, refused = Sweep(account, fault, request), 0

    for number in sweep:
        documents = documents_of(texts(number))
        with sweep.at(number):
            try:
                account.world.add(*documents, key=f"k{number}")
            except Retryable:
                refused += 1
        account.add(key=f"k{number}", **texts(number))

    account.settle()
    account.check()
    assert sweep.statements >= 5
    # What a deadlock or such undid the catalog does again by itself, and no client is told.
    assert bool(refused) == (fault not in ("40001", "40P01"))


@pytest.mark.timeout(300)
@pytest.mark.parametrize(("database_url", "fault", "stride"), SWEEPS, indirect=["database_url"])
def test_a_fault_at_any_statement_of_a_turn_loses_and_doubles_nothing(
    account: Account, fault: str, stride: int, request: pytest.FixtureRequest
) -> None:
    sweep = Sweep(account, fault, request, stride)

    for number in sweep:
        account.add(**texts(number))
        with sweep.at(number), suppress(Retryable):
            index_next(account.world.bench)

    account.settle()
    account.check()
    assert sweep.statements >= 20


# --- SQLite, seen by a client over HTTP -------------------------------------------------------


LOCKER = """
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1], isolation_level=None)
connection.execute("BEGIN EXCLUSIVE")
print("locked", flush=True)
sys.stdin.read()
"""


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Let another process hold the database as long as the block runs."""
    command = [sys.executable, "-c", LOCKER, str(path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stdout.readline() == b"locked\n"
        try:
            yield
        finally:
            process.stdin.close()


@contextmanager
def every_connection(statement: str) -> Iterator[None]:
    """Begin every new connection of the block with a statement."""

    def begin(connection: Any, *_: object) -> None:
        connection.execute(statement)

    event.listen(Engine, "connect", begin)
    try:
        yield
    finally:
        event.remove(Engine, "connect", begin)


@contextmanager
def harmed(lamina: Installation, fault: str) -> Iterator[None]:
    """Take the catalog's ability to write away for the block."""
    database = lamina.services.database
    harms = {
        "locked": lambda: locked(Path(str(database.url.database))),
        "full": lambda: every_connection("PRAGMA max_page_count = 1"),
        "read-only": lambda: every_connection("PRAGMA query_only = ON"),
    }
    with harms[fault]():
        database.close()  # only now: a reader in the background opens connections at any time
        yield
    database.close()


@pytest.mark.parametrize("fault", ["locked", "full", "read-only"])
def test_while_sqlite_cannot_write_clients_are_told_and_searches_go_on(
    tmp_path: Path, fault: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database_module, "_WAIT_SECONDS", 0.3)  # the lock lasts longer
    with Installation.open(tmp_path) as lamina:
        lamina.add({"id": "there", "text": "it was there before"})
        lamina.index_all()
        lamina.add({"id": "waits", "text": "it waits already"})
        lamina.search("before")
        with harmed(lamina, fault):
            document = {"id": "new", "text": "it comes too early" + 10 * LONG}
            response = lamina.client().post(DOCUMENTS, json={"documents": [document]})
            with suppress(Retryable):  # what fits into the pages that are there can be done
                lamina.index_all()
            found = lamina.search("it was there before", k=1)
        problem_of(response, 503, "catalog-unavailable")
        assert response.headers["Retry-After"]
        assert [hit["id"] for hit in found["hits"]] == ["there"]
        unknown = lamina.client().get(f"{DOCUMENTS}/new")
        assert unknown.status_code == 404, "something of what was refused is there"
        lamina.index_all()
        states = body_of(lamina.client().get(f"{DOCUMENTS}/waits"))
        assert states["status"] == "indexed"
        assert lamina.services.roster.backlog()["claimed"] == 0


# --- PostgreSQL killed with work in hand ------------------------------------------------------


@pytest.fixture(scope="module")
def victim() -> Iterator[Postgres]:
    """A server that is killed."""
    with running_postgres() as server:
        yield server


def test_a_server_killed_in_the_middle_of_a_turn_loses_and_doubles_nothing(
    tmp_path: Path, victim: Postgres
) -> None:
    with World.open(tmp_path, database_url=victim.new_database()) as world:
        account = Account(world)
        account.add(**{f"d{number}": f"text {number}" for number in range(20)})
        world.encoder.pass_rows = 5
        passes: list[int] = []

        def kill() -> None:
            passes.append(1)
            if len(passes) == 2:
                victim.kill()

        world.encoder.on_pass = kill
        with pytest.raises(CatalogUnavailable):
            index_next(world.bench)
        with pytest.raises(CatalogUnavailable):
            world.add({"id": "refused", "text": "nobody has it"})
        victim.restart()

        account.add(after="it is back")
        account.settle()
        account.check()
        assert world.live_documents().keys() >= {"d0", "d19", "after"}


def test_a_server_killed_at_the_moment_of_publishing_publishes_once(
    tmp_path: Path, victim: Postgres
) -> None:
    with World.open(tmp_path, database_url=victim.new_database()) as world:
        account = Account(world)
        account.add(a="first a", b="first b")
        world.index_all()
        account.add(a="second a", c="first c")

        with pytest.raises(Retryable):
            index_next(replace(world.bench, store=Warned(world.folder / "index", victim.kill)))
        victim.restart()

        account.settle()
        account.check()
