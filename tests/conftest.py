"""Fixtures that every layer shares."""

import gc
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling

from shared.catalog import Database
from tests import quick_routes
from tests.brokers import client, rabbit, rabbit_server, server
from tests.object_storage import ObjectStorage, serve
from tests.postgres import Postgres, postgres

__all__ = ["client", "postgres", "rabbit", "rabbit_server", "server"]

# A shell's background job ignores SIGINT, and so would every process that a test starts.
signal.signal(signal.SIGINT, signal.default_int_handler)

# The machines are shared and slow at times: how long an example takes says nothing.
settings.register_profile("lamina", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("lamina")

quick_routes.share()


_ON_BOTH_DATABASES = (
    "tests/contract/",
    "tests/faults/test_flood.py",
    "tests/integration/test_indexing.py",
)
"""Where the database matters most; elsewhere PostgreSQL's turn is a slow test."""


_SHARING = {
    "a Lamina": ("tests/e2e/",),
    "a RabbitMQ": (
        "tests/faults/test_lost_commits.py",
        "tests/faults/test_message_faults.py",
        "tests/integration/test_amqp_",
        "tests/integration/test_backpressure.py",
        "tests/integration/test_replies.py",
        "tests/integration/test_web_jobs.py",
    ),
}
"""Tests whose server takes longer to start than most of them take."""


class Together(LoadScopeScheduling):  # type: ignore[misc]  # xdist has no types
    """One process runs the tests of a file, and those of all files that share a server."""

    def _split_scope(self, nodeid: str) -> str:
        for shared, files in _SHARING.items():
            if nodeid.startswith(files):
                return shared
        return nodeid.partition("::")[0]


@pytest.hookimpl(optionalhook=True)  # of pytest-xdist, whose own groups need an older pytest
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> Together:
    """Have tests that share servers run in one process."""
    return Together(config, log)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Keep what runs each time short, without leaving out what only one database could break."""
    for item in items:
        if "postgresql" in item.name and not item.nodeid.startswith(_ON_BOTH_DATABASES):
            item.add_marker(pytest.mark.slow)


def pytest_collection_finish() -> None:
    """Spare the collector of garbage the million objects of torch and of 4,500 collected tests.

    Looking at them again and again takes a quarter of all the time.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)


@pytest.fixture(scope="session")
def migrated_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated SQLite file, to be copied."""
    path = tmp_path_factory.mktemp("template") / "catalog.db"
    database = Database(f"sqlite:///{path}")
    database.migrate()
    database.close()
    return path


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path, migrated_file: Path) -> str:
    """The address of an empty migrated database."""
    if request.param == "sqlite":
        return f"sqlite:///{shutil.copy(migrated_file, tmp_path)}"
    server: Postgres = request.getfixturevalue("postgres")
    return server.clean_database()


@pytest.fixture(scope="session")
def object_server() -> Iterator[str]:
    """The address of S3-compatible object storage."""
    with serve() as address:
        yield address


@pytest.fixture
def object_storage(object_server: str) -> ObjectStorage:
    """An empty bucket."""
    return ObjectStorage(object_server)
