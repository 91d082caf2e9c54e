"""Nothing gets in: every attempt of `python -m tests.break_in` is held off."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.break_in import KINDS, Attempt, Site
from tests.break_in_sockets import over_sockets

FEWEST = {
    "without_scope": 300,
    "across_collections": 100,
    "forged_forms": 20,
    "rebinding": 50,
    "nasty_values": 800,
    "strange_bodies": 25,
    "other_verbs": 150,
    "stolen_sessions": 8,
    "redirects": 10,
    "paths": 40,
    "archives": 6,
}
"""Attempts of each kind, so that a mistake in making them up does not pass for safety."""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with Site.open(tmp_path_factory.mktemp("site")) as opened:
        yield opened


def got_in(rows: list[Attempt]) -> list[str]:
    return [f"{row.kind}: {row.tried} -> {row.got}" for row in rows if not row.held]


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_nothing_gets_in(site: Site, kind: Callable[[Site], Iterator[Attempt]]) -> None:
    rows = list(kind(site))

    assert got_in(rows) == []
    assert len(rows) >= FEWEST[kind.__name__]


@pytest.mark.slow
def test_nothing_gets_in_by_raw_bytes(tmp_path: Path) -> None:
    rows = over_sockets(tmp_path / "server")

    assert got_in(rows) == []
    assert len(rows) >= 25
