"""The catalogs that the contract tests run over."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from shared.catalog import Database
from tests.contract.catalogs import Catalog
from tests.postgres import Postgres, postgres

__all__ = ["postgres"]


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


@pytest.fixture
def catalog(database_url: str) -> Iterator[Catalog]:
    opened = Catalog(database_url)
    yield opened
    opened.database.close()
