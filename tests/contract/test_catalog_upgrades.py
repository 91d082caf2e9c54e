"""Fault 24: programs of two versions of Lamina on one catalog work together or refuse."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from alembic import command
from sqlalchemy import text

from shared.catalog import Database, SqlReading
from shared.catalog.engine import migrating as migrating_module
from shared.catalog.engine.migrating import config, known, newest, prepare
from shared.domain import State
from shared.errors import CatalogUnavailable, ConfigurationError
from tests.contract.catalogs import Catalog, put
from tests.postgres import Postgres

NOW = 1_000_000.0
NAMES = {
    "collection_id": 1,
    "worker": "old:1",
    "fingerprint": "f" * 64,
    "lease_until": NOW * 10_000,
    "now": NOW,
}
# As the code of schema 0002 wrote them.
OLD_DOCUMENT = """
    INSERT INTO documents (collection_id, external_id, touched_at)
    VALUES (:collection_id, :name, :now) RETURNING id
"""
OLD_JOB = """
    INSERT INTO jobs (id, collection_id, source, key, accepted_at)
    VALUES (:job, :collection_id, 'api', NULL, :now)
"""
OLD_REVISION = """
    INSERT INTO revisions (collection_id, job_id, lane, accepted_at, document_id, kind, state,
        crashes, solo_crashes, not_before, version, characters, external_version, published_at,
        content_sha256, text_sha256, title, metadata_json, text)
    VALUES (:collection_id, :job, 0, :now, :document_id, 'put', 'pending', 0, 0, 0.0, NULL, 5,
        NULL, NULL, 'c', 't', 'title', '{}', 'text') RETURNING id
"""
OLD_CLAIM = """
    INSERT INTO claims (worker, fingerprint, lane, state, documents, closed_by, claimed_at,
        lease_until)
    VALUES (:worker, :fingerprint, 0, 'active', 1, 'drained', :now, :lease_until) RETURNING id
"""
OLD_CHOICE = """
    SELECT id FROM revisions WHERE state = 'pending' AND not_before <= :now
        AND collection_id IN (:collection_id) AND lane <= 2 ORDER BY lane, id LIMIT 1
"""
OLD_TAKING = """
    UPDATE revisions SET state = 'claimed', claim_id = :claim_id,
        claimed_at = coalesce(claimed_at, :now) WHERE id = :revision_id
"""
OLD_RELEASE = """
    UPDATE revisions SET state = 'pending', claim_id = NULL, crashes = crashes + 1,
        solo_crashes = solo_crashes + 1 WHERE claim_id = :claim_id AND state = 'claimed'
"""
OLD_REVOKE = "UPDATE claims SET state = 'revoked', ended_at = :now WHERE id = :claim_id"
OLD_REJECTION = """
    INSERT INTO rejections (source, reason, detail, collection, key, received_at, raw)
    VALUES ('queue:x', 'malformed', 'It is not JSON.', NULL, NULL, :now, :raw)
"""
OLD_BEAT = """
    INSERT INTO processes (process, kind, started_at, beat_at) VALUES (:worker, 'index', :now, :now)
    ON CONFLICT (process) DO UPDATE SET kind = 'index', beat_at = :now
"""


@pytest.fixture(params=["sqlite", "postgresql"])
def empty(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    """A database without any table."""
    url = f"sqlite:///{tmp_path / 'catalog.db'}"
    if request.param == "postgresql":
        server: Postgres = request.getfixturevalue("postgres")
        url = server.new_database(migrated=False)
    database = Database(url)
    prepare(database.url)
    yield database
    database.close()


def test_the_code_before_still_accepts_claims_and_gives_back_on_the_new_schema(
    catalog: Catalog,
) -> None:
    catalog.collection()
    with catalog.database.write() as tx:

        def run(statement: str, **more: object) -> int | None:
            result = tx.execute(text(statement), NAMES | more)
            return result.scalar() if result.returns_rows else None

        run(OLD_BEAT)
        run(OLD_BEAT)
        run(OLD_REJECTION, raw=b"{")
        document_id = run(OLD_DOCUMENT, name="old")
        run(OLD_JOB, job="old-job")
        revision_id = run(OLD_REVISION, job="old-job", document_id=document_id)
        claim_id = run(OLD_CLAIM)
        assert run(OLD_CHOICE) == revision_id
        run(OLD_TAKING, claim_id=claim_id, revision_id=revision_id)
        run(OLD_REVOKE, claim_id=claim_id)
        run(OLD_RELEASE, claim_id=claim_id)

    catalog.submit(put("new"))
    catalog.index_all()

    assert catalog.states("old-job") == {State.INDEXED: 1}
    assert catalog.roster.backlog()["pending"] == 0
    assert catalog.records.document("c", "old").state is State.INDEXED
    with catalog.database.read() as tx:
        kept = tx.exec_driver_sql("SELECT form, replayed_at FROM rejections").all()
    assert [tuple(one) for one in kept] == [("message", None)]


def test_what_the_code_before_holds_is_reaped_by_the_new(catalog: Catalog) -> None:
    catalog.collection()
    receipt = catalog.submit(put("a"))
    with catalog.database.write() as tx:
        claim_id = tx.execute(text(OLD_CLAIM), NAMES).scalar_one()
        revision_id = tx.execute(text(OLD_CHOICE), NAMES | {"now": NOW * 10_000}).scalar_one()
        tx.execute(text(OLD_TAKING), NAMES | {"claim_id": claim_id, "revision_id": revision_id})

    assert catalog.claims.reap(worker="old:1", max_crashes=3) == 1
    catalog.index_all()

    assert catalog.states(receipt.job_id) == {State.INDEXED: 1}


# --- who may work with which ---------------------------------------------------------------------


def come_from_the_future(database: Database, *, oldest_program: int) -> None:
    """Let a newer Lamina have migrated the catalog."""
    with database.write() as tx:
        tx.exec_driver_sql("UPDATE alembic_version SET version_num = 'future'")
        tx.execute(
            text("UPDATE counters SET value = :oldest WHERE name = 'oldest_program'"),
            {"oldest": oldest_program},
        )


def test_a_program_works_with_the_schema_it_knows(empty: Database) -> None:
    empty.migrate()
    empty.check()


def test_a_program_waits_for_a_catalog_that_is_not_made_yet(empty: Database) -> None:
    with pytest.raises(CatalogUnavailable, match="lamina migrate"):
        empty.check()


def test_a_program_waits_for_an_older_catalog_to_be_migrated(empty: Database) -> None:
    with empty.write() as tx:
        command.upgrade(config(tx), "0001")
    with pytest.raises(CatalogUnavailable, match=rf"schema 0001 .* needs {newest()}; `lamina mig"):
        empty.check()


def test_a_statement_on_a_catalog_of_another_schema_says_so(empty: Database) -> None:
    with pytest.raises(CatalogUnavailable, match="not of this version of Lamina"):
        SqlReading(empty).heads()


def test_a_newer_catalog_that_only_added_is_worked_with_and_left_alone(empty: Database) -> None:
    empty.migrate()
    come_from_the_future(empty, oldest_program=int(newest()))

    empty.check()
    empty.migrate()

    with empty.read() as tx:
        assert migrating_module.revision_of(tx) == "future"


def test_a_newer_catalog_that_this_program_cannot_work_with_is_refused(empty: Database) -> None:
    empty.migrate()
    come_from_the_future(empty, oldest_program=int(newest()) + 1)

    for attempt in (empty.check, empty.migrate):
        with pytest.raises(ConfigurationError, match=r"schema future.*install the newer one"):
            attempt()


def test_a_newer_catalog_that_does_not_say_who_can_work_with_it_is_refused(
    empty: Database,
) -> None:
    empty.migrate()
    with empty.write() as tx:
        tx.exec_driver_sql("UPDATE alembic_version SET version_num = 'future'")
        tx.exec_driver_sql("DELETE FROM counters WHERE name = 'oldest_program'")

    with pytest.raises(ConfigurationError, match="future"):
        empty.check()


def test_each_migration_since_the_third_says_who_can_still_work_with_it() -> None:
    folder = Path(migrating_module.__file__).parents[1] / "migrations" / "versions"
    before = "0001"
    for revision in known()[2:]:
        (path,) = folder.glob(f"r{revision}_*.py")
        said = re.search(r'^oldest_program = "(\d{4})"$', path.read_text("utf-8"), re.MULTILINE)
        assert said, f"{path.name} lacks it"
        assert before <= said[1] <= revision
        before = said[1]
