"""The catalogs that the contract tests run over."""

from collections.abc import Iterator

import pytest

from tests.contract.catalogs import Catalog


@pytest.fixture
def catalog(database_url: str) -> Iterator[Catalog]:
    opened = Catalog(database_url)
    yield opened
    opened.database.close()
