"""Fixtures of the integration tests: a small Lamina in this process."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.worlds import World


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with World.open(tmp_path) as opened:
        yield opened
