"""What every catalog promises when processes, connections or the server die."""

import os
import signal
import subprocess
from pathlib import Path

import pytest
from sqlalchemy import Engine, event

from shared.catalog import Database
from shared.domain import Collection, State
from shared.errors import CatalogUnavailable, CommitUnknown
from tests.command_line import run_module
from tests.contract.catalogs import Catalog, put, puts
from tests.postgres import Postgres, running_postgres


@pytest.fixture(autouse=True)
def collection(catalog: Catalog) -> Collection:
    return catalog.collection()


def publish_in_a_process(url: str, fatal: int) -> "subprocess.CompletedProcess[str]":
    """Publish three documents in a new process that dies after its *fatal*-th statement."""
    return run_module("tests.contract.dying_publisher", url, str(fatal))


@pytest.mark.parametrize("fatal", [2, 6, 10, 13])
def test_a_publisher_killed_inside_its_transaction_leaves_nothing_half(
    catalog: Catalog, database_url: str, collection: Collection, fatal: int
) -> None:
    receipt = catalog.submit(*puts(3))
    before = catalog.reading.counter()

    process = publish_in_a_process(database_url, fatal)

    assert process.returncode == -signal.SIGKILL, process.stderr
    assert catalog.head(collection).version == 0
    assert catalog.reading.counter() == before
    assert catalog.states(receipt.job_id) == {State.CLAIMED: 3}
    assert catalog.reading.passages(range(1, 10)) == {}
    assert catalog.claims.reap(worker="host:dead", max_crashes=3) == 1
    catalog.index_all()
    assert catalog.states(receipt.job_id) == {State.INDEXED: 3}
    assert catalog.collections.stats()[0].documents == 3


def test_a_publisher_that_is_not_killed_publishes(catalog: Catalog, database_url: str) -> None:
    """Shows that the kills above fall inside the transaction, and not behind it."""
    receipt = catalog.submit(*puts(3))
    process = publish_in_a_process(database_url, 1000)
    assert process.stdout.startswith("survived"), process.stderr
    assert int(process.stdout.split()[1]) > 13
    assert catalog.states(receipt.job_id) == {State.INDEXED: 3}


def test_a_connection_lost_during_commit_is_told_as_unknown(
    catalog: Catalog, database_url: str, request: pytest.FixtureRequest
) -> None:
    if catalog.database.sqlite:
        pytest.skip("SQLite has no connection to lose")
    postgres: Postgres = request.getfixturevalue("postgres")
    with pytest.raises(CommitUnknown), catalog.database.write() as tx:  # noqa: PT012
        tx.exec_driver_sql("UPDATE counters SET value = value + 1")
        postgres.disconnect(database_url)


def test_a_connection_lost_before_commit_is_told_as_unavailable_and_the_next_call_works(
    catalog: Catalog, database_url: str, request: pytest.FixtureRequest
) -> None:
    if catalog.database.sqlite:
        pytest.skip("SQLite has no connection to lose")
    postgres: Postgres = request.getfixturevalue("postgres")
    with pytest.raises(CatalogUnavailable), catalog.database.write() as tx:  # noqa: PT012
        postgres.disconnect(database_url)
        tx.exec_driver_sql("UPDATE counters SET value = value + 1")
    assert catalog.submit(put("a")).documents == (("a", State.PENDING),)


def test_a_child_process_opens_connections_of_its_own(catalog: Catalog) -> None:
    catalog.submit(put("a"))
    child = os.fork()
    if child == 0:
        status = 1
        try:
            catalog.submit(put("b"))
            status = 0
        finally:
            os._exit(status)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    catalog.submit(put("c"))
    assert [one.external_id for one in catalog.must_claim().revisions] == ["a", "b", "c"]


def test_work_that_deadlocked_is_done_again(catalog: Catalog) -> None:
    if catalog.database.sqlite:
        pytest.skip("SQLite has one writer, so nothing can deadlock")
    tries: list[int] = []

    def work(tx: object) -> int:
        tries.append(1)
        if len(tries) < 3:
            assert hasattr(tx, "exec_driver_sql")
            tx.exec_driver_sql("DO $$ BEGIN RAISE SQLSTATE '40P01'; END $$")
        return len(tries)

    assert catalog.database.run(work) == 3


def test_a_catalog_that_is_not_there_is_unavailable(tmp_path: Path) -> None:
    closed = Database(f"sqlite:///{tmp_path / 'no' / 'such' / 'folder.db'}")
    with pytest.raises(CatalogUnavailable), closed.write():
        pass
    nobody = Database(f"postgresql+psycopg://nobody@/x?host={tmp_path}")
    with pytest.raises(CatalogUnavailable), nobody.read():
        pass


def test_a_full_disk_is_unavailable_and_changes_nothing(catalog: Catalog) -> None:
    if not catalog.database.sqlite:
        pytest.skip("a limit on the pages of a file is SQLite's")

    def limit(connection: object, *_: object) -> None:
        assert hasattr(connection, "execute")
        connection.execute("PRAGMA max_page_count = 1")  # means: not one page more

    small = Catalog(str(catalog.database.url))
    event.listen(Engine, "connect", limit)
    try:
        with pytest.raises(CatalogUnavailable, match="full"):
            small.submit(*puts(2000))
    finally:
        event.remove(Engine, "connect", limit)
        small.database.close()
    assert catalog.claim() is None


@pytest.mark.slow
def test_a_server_killed_and_restarted_is_used_again_with_all_that_was_accepted(
    catalog: Catalog,
) -> None:
    if catalog.database.sqlite:
        pytest.skip("SQLite has no server")
    with running_postgres() as server:
        catalog = Catalog(server.new_database())
        catalog.collection()
        catalog.submit(put("a"))
        server.kill()
        with pytest.raises(CatalogUnavailable):
            catalog.submit(put("b"))
        server.restart()
        catalog.submit(put("c"))
        assert [one.external_id for one in catalog.must_claim().revisions] == ["a", "c"]
        catalog.database.close()
