"""The migrations make exactly the schema that the tables declare."""

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import inspect

from shared.catalog import Database, SqlCollections, SqlRecords
from shared.catalog.engine.migrating import config, prepare
from shared.catalog.tables import Row
from shared.domain import IndexRule, RetentionRule
from tests.postgres import Postgres


@pytest.fixture(params=["sqlite", "postgresql"])
def empty(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The address of a database without any table."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'new' / 'catalog.db'}"
    server: Postgres = request.getfixturevalue("postgres")
    return server.new_database(migrated=False)


def test_the_migrated_schema_is_the_declared_one(empty: str) -> None:
    database = Database(empty)
    database.migrate()
    with database.write() as tx:
        context = MigrationContext.configure(
            tx, opts={"compare_type": True, "compare_server_default": True}
        )
        assert compare_metadata(context, Row.metadata) == []
        partial = {
            index["name"]
            for table in Row.metadata.tables
            for index in inspect(tx).get_indexes(table)
            if any(key.endswith("_where") for key in index.get("dialect_options", {}))
        }
    database.close()
    assert partial == {
        "ix_attempts_active",
        "ix_claims_active",
        "ix_deletions_under_way",
        "ix_deliveries_due",
        "ix_fields_kind",
        "ix_fields_number",
        "ix_fields_text",
        "ix_jobs_unfinished",
        "ix_origins_upload_id",
        "ix_renditions_claimed",
        "ix_renditions_failed",
        "ix_renditions_queue",
        "ix_renditions_warned",
        "ix_revisions_claimed",
        "ix_revisions_failed",
        "ix_revisions_forgettable",
        "ix_revisions_queue",
        "ix_revisions_unfiled",
        "ix_revisions_waiting",
        "ix_uploads_drafts",
        "ix_uploads_queue",
        "ix_uploads_stored",
        "ix_versions_buried",
        "ix_versions_kept",
        "uq_chores_active",
        "uq_liveness_open",
        "uq_rebuilds_running",
        "uq_spaces_live",
    }


def test_migrating_again_changes_nothing(empty: str) -> None:
    database = Database(empty)
    for _ in range(2):
        database.migrate()
    with database.read() as tx:
        counters = tx.exec_driver_sql("SELECT name, value FROM counters ORDER BY name").all()
    database.close()
    assert [tuple(one) for one in counters] == [
        ("event", 0),
        ("head", 0),
        ("oldest_program", 1),
        ("vector", 0),
    ]


def test_of_many_that_migrate_at_once_one_does_it(empty: str) -> None:
    barrier = threading.Barrier(4)

    def start() -> None:
        database = Database(empty)
        barrier.wait(timeout=30)
        database.migrate()
        database.close()

    with ThreadPoolExecutor(4) as pool:
        for done in [pool.submit(start) for _ in range(4)]:
            done.result(timeout=60)


def test_a_catalog_of_the_first_release_is_upgraded_with_what_is_in_it(empty: str) -> None:
    """Also, what the earlier code still writes meanwhile fits into the new tables."""
    collection = "INSERT INTO collections (id, name, created_at) VALUES ({0}, 'c{0}', 1.0)"
    version = (
        "INSERT INTO versions (collection_id, version, kind, manifest_file, manifest_sha256, "
        "documents, vectors, segments, bytes, published_at, state) "
        "VALUES ({0}, 0, 'create', '', '', 0, 0, 0, 0, 1.0, 'live')"
    )
    space = (
        "INSERT INTO spaces (collection_id, encoder, fingerprint, dimension, metric, "
        "chunking_mode, chunking_overlap_tokens, live, created_at) "
        "VALUES ({0}, 'tiny', 'f', 4, 'cosine', 'none', 0, true, 1.0)"
    )
    database = Database(empty)
    prepare(database.url)
    with database.write() as tx:
        command.upgrade(config(tx), "0001")
        for statement in (collection, version, space):
            tx.exec_driver_sql(statement.format(1))
    database.migrate()
    with database.write() as tx:
        for statement in (collection, version, space):
            tx.exec_driver_sql(statement.format(2))

    for name in ("c1", "c2"):
        found = SqlCollections(database).get(name)
        assert (found.index, found.retention) == (IndexRule(), RetentionRule())
        report = SqlRecords(database).version(name, 0)
        assert (report.expired, report.restored, report.tags) == (False, None, ())
    database.close()


def test_every_table_can_be_taken_away_again(empty: str) -> None:
    database = Database(empty)
    database.migrate()
    with database.write() as tx:
        command.downgrade(config(tx), "base")
        assert inspect(tx).get_table_names() == ["alembic_version"]
    database.close()


def test_sqlite_syncs_each_commit_keeps_a_log_and_checks_references(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path / 'catalog.db'}")
    database.migrate()
    with database.read() as tx:
        pragmas = {
            name: tx.exec_driver_sql(f"PRAGMA {name}").scalar_one()
            for name in ("journal_mode", "synchronous", "foreign_keys", "busy_timeout")
        }
    database.close()
    assert pragmas == {
        "journal_mode": "wal",
        "synchronous": 2,
        "foreign_keys": 1,
        "busy_timeout": 30_000,
    }, "[durable-commit] how SQLite is set up"
