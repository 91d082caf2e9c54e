"""How worker processes end, and that they begin only with a catalog that they understand.

Faults 22 and 24, and memory. The worker is the real one, with an encoder without weights that
does what its documents tell it.
"""

import signal
from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import text

from shared import exits
from shared.catalog import Database
from shared.domain import State
from shared.ingest import parse_submission
from shared.services import Services
from tests.faults.test_bad_documents import DeadlyProcess, home
from tests.redis_server import RedisServer
from tests.worker_process import WorkerProcess, wait_until

__all__ = ["home"]

NOBODY = "redis://127.0.0.1:1/0"
STOP_SECONDS = 4.0
SIGNALS = [signal.SIGTERM, signal.SIGINT, signal.SIGQUIT]


def worker(services: Services, **environment: str) -> WorkerProcess:
    return DeadlyProcess(
        services.settings.data_dir,
        LAMINA_STOP_SECONDS=str(STOP_SECONDS),
        LAMINA_ENCODING_POLL_SECONDS="0.05",
        **environment,
    )


def add(services: Services, *texts: str) -> str:
    documents = [{"id": f"d{n}", "text": one} for n, one in enumerate(texts)]
    submission = parse_submission(documents, services.limits, collection="c", source="api")
    return services.inbox.accept(submission).job_id


def claimed(services: Services) -> bool:
    return services.roster.backlog()["claimed"] > 0


def crashes(services: Services) -> set[int]:
    with services.database.read() as tx:
        return set(tx.scalars(text("SELECT crashes FROM revisions")))


@pytest.mark.parametrize("how", SIGNALS)
def test_an_idle_worker_ends_at_once_whatever_signal_tells_it_and_how_often(
    home: Services, how: signal.Signals
) -> None:
    with worker(home) as process:
        process.wait_until_ready()
        process.send(how)
        process.send(how)
        assert process.wait(20) == 0, process.said
        assert "Traceback" not in process.said


def test_in_the_midst_of_a_claim_the_rest_is_given_back_at_once_and_counts_as_no_crash(
    home: Services,
) -> None:
    job_id = add(home, *["do-dawdle"] * 100)
    with worker(home) as process:
        process.wait_until_ready()
        wait_until(lambda: claimed(home))
        process.send(signal.SIGTERM)
        assert process.wait(20) == 0, process.said

    assert "stop_overdue" not in process.said
    assert not claimed(home)
    assert crashes(home) == {0}, "[stop] a stop counted as a crash"
    assert home.records.job(job_id).counts == {State.PENDING: 100}
    claim = home.claims.claim(
        "host:1",
        fingerprints=[card.fingerprint for card in home.encoders.cards()],
        max_lane=2,
        max_characters=10**6,
        max_documents=1000,
        lease_seconds=30.0,
    )
    assert claim is not None, "it waits before it can be claimed again"
    assert claim.closed_by != "suspect"


def test_one_that_cannot_end_gives_back_what_it_holds_and_is_gone(home: Services) -> None:
    add(home, "do-hang", "innocent")
    with worker(home) as process:
        process.wait_until_ready()
        wait_until(lambda: "hanging" in process.said)
        process.send(signal.SIGTERM)
        process.send(signal.SIGINT)
        assert process.wait(STOP_SECONDS + 10) == 1, process.said

    assert "stop_overdue" in process.said
    assert not claimed(home), "[stop] its claim waits for the lease to run out"
    assert crashes(home) == {0}, "[stop] a stop counted as a crash"


def test_while_the_catalog_is_away_it_ends_all_the_same(home: Services) -> None:
    add(home, *["do-dawdle"] * 100)
    other = Database(home.settings.catalog_url)
    with worker(home) as process:
        process.wait_until_ready()
        wait_until(lambda: claimed(home))
        with other.write():  # SQLite has one writer: the claim cannot be given back
            process.send(signal.SIGTERM)
            assert process.wait(STOP_SECONDS + 10) == 1, process.said
    other.close()


def test_while_the_broker_is_away_it_ends_all_the_same(home: Services, tmp_path: Path) -> None:
    folder = tmp_path / "redis"
    folder.mkdir()
    with (
        RedisServer(folder) as server,
        worker(home, LAMINA_BROKER_URL=server.url) as process,
    ):
        process.wait_until_ready()
        wait_until(lambda: "Connected to redis" in process.said)
        server.kill()
        wait_until(lambda: "onnection" in process.said.rpartition("Connected to redis")[2])
        process.send(signal.SIGTERM)
        assert process.wait(STOP_SECONDS + 10) in (0, 1), process.said


@pytest.mark.parametrize("role", ["upkeep", "intake"])
def test_other_roles_end_when_told_to_also_while_the_broker_is_away(
    home: Services, role: str
) -> None:
    process = WorkerProcess(
        role, home.settings.data_dir, NOBODY, LAMINA_STOP_SECONDS=str(STOP_SECONDS)
    )
    with process:
        process.wait_until_ready()
        process.send(signal.SIGQUIT)
        assert process.wait(STOP_SECONDS + 10) in (0, 1), process.said


# --- memory --------------------------------------------------------------------------------------


def test_one_that_grew_too_large_ends_between_two_claims_and_nothing_is_lost(
    home: Services,
) -> None:
    job_id = add(home, *(f"text {n}" for n in range(20)))
    lives = 0
    while not home.records.job(job_id).finished:
        lives += 1
        process = worker(
            home,
            LAMINA_ENCODING_MEMORY_BYTES="1",
            LAMINA_ENCODING_RECYCLE_SECONDS="0.01",
            LAMINA_ENCODING_CLAIM_DOCUMENTS="10",
        )
        with process:
            assert process.wait(60) == 0, process.said
        assert '"recycling"' in process.said

    assert lives == 2
    assert home.records.job(job_id).counts == {State.INDEXED: 20}
    assert crashes(home) == {0}


def test_one_that_is_too_large_from_the_start_says_so_and_goes_on_working(home: Services) -> None:
    with worker(home, LAMINA_ENCODING_MEMORY_BYTES="1") as process:
        process.wait_until_ready()
        for _ in range(3):
            wait_until(_finished(home, add(home, "text")))
        assert not process.ended, "it does nothing but start"
        assert process.said.count("memory_limit_too_low") == 1
        assert process.stop() == 0


def _finished(services: Services, job_id: str) -> Callable[[], bool]:
    return lambda: services.records.job(job_id).finished


# --- the catalog's schema ------------------------------------------------------------------------


def come_from_the_future(database: Database, *, oldest_program: int) -> None:
    with database.write() as tx:
        tx.exec_driver_sql("UPDATE alembic_version SET version_num = 'future'")
        tx.exec_driver_sql(
            f"UPDATE counters SET value = {oldest_program} WHERE name = 'oldest_program'"
        )


def test_a_worker_ends_by_itself_when_a_newer_lamina_takes_the_catalog_over(
    home: Services,
) -> None:
    with worker(home) as process:
        process.wait_until_ready()
        come_from_the_future(home.database, oldest_program=1)
        wait_until(_finished(home, add(home, "only adds")))
        assert not process.ended, "it can work with this one"

        come_from_the_future(home.database, oldest_program=9999)
        assert process.wait(30) == exits.CONFIGURATION, process.said

    assert "catalog_too_new" in process.said
    assert "Traceback" not in process.said
    assert not claimed(home)


def test_a_worker_refuses_to_start_on_a_catalog_that_is_too_new(home: Services) -> None:
    come_from_the_future(home.database, oldest_program=9999)
    for process in (worker(home), WorkerProcess("upkeep", home.settings.data_dir)):
        with process:
            assert process.wait(60) == exits.CONFIGURATION
        assert "install the newer one" in process.said
        assert "Traceback" not in process.said


@pytest.mark.parametrize("role", ["upkeep", "intake"])
def test_a_process_that_starts_first_waits_until_the_catalog_is_migrated(
    tmp_path: Path, role: str
) -> None:
    database = Database(f"sqlite:///{tmp_path / 'catalog.db'}")
    with WorkerProcess(role, tmp_path, NOBODY) as process:
        wait_until(lambda: "waiting_for_catalog" in process.said, seconds=100)
        database.migrate()
        process.wait_until_ready()
        assert "catalog_found" in process.said
        assert "Traceback" not in process.said
    database.close()
