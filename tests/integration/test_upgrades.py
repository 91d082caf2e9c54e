"""An installation of each earlier release goes on where it was, with all that it held."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from shared.catalog.engine.migrating import known
from shared.domain import Hit, State
from shared.filters.text_form import read_text
from shared.searching.queries import SearchRequest
from shared.searching.search import search
from tests.installations import move, releases, unpack
from tests.postgres import Postgres
from tests.trust import examine
from tests.worlds import SEARCH_LIMITS, World

EARLIER = [
    # Those between two releases are steps on the way of others.
    pytest.param(one, marks=() if one in releases() else pytest.mark.slow)
    for one in known()[:-1]
]
WAITING = (
    {"id": "whale", "text": "It waited while Lamina was upgraded."},
    {"id": "new", "text": "So did this."},
)


@pytest.fixture(params=["sqlite", "postgresql"])
def world(request: pytest.FixtureRequest, revision: str, tmp_path: Path) -> Iterator[World]:
    """What an earlier release left, under the program of today."""
    path = unpack(revision, tmp_path)
    url = None
    if request.param == "postgresql":
        server: Postgres = request.getfixturevalue("postgres")
        url = server.new_database(migrated=False)
        move(path, url)
    with World.open(tmp_path, database_url=url) as opened:
        yield opened


@pytest.mark.parametrize("revision", EARLIER)
def test_it_goes_on(world: World) -> None:
    first = ["Eagles nest on cliffs.", "The blue whale lives in the sea."]
    second = ["Eagles swim in the sea.", first[1], "The trout swims in the river."]
    third = [second[0], "It waited while Lamina was upgraded.", "So did this.", second[2]]

    assert (sorted(world.texts_at(1)), sorted(world.texts_at(2))) == (first, sorted(second))
    again = world.add(*WAITING, key="again")
    assert again.repeated
    world.index_all()

    assert world.head().version == 3
    assert sorted(world.texts_at(3)) == sorted(third)
    assert (sorted(world.texts_at(1)), sorted(world.texts_at(2))) == (first, sorted(second))
    assert world.records.job(again.job_id).counts == {State.INDEXED: 2}
    assert [hit.id for hit in filtered(world, "legs = 0", version=2)] == ["trout", "whale"]
    assert examine(world).damages == ()
    assert world.live_documents() == {"whale": 1, "eagle": 1, "trout": 1, "new": 1}


def filtered(world: World, condition: str, *, version: int) -> list[Hit]:
    """Search as of a version among the documents that have this metadata."""
    wanted = read_text(condition, SEARCH_LIMITS.filter)
    request = SearchRequest(collection="c", query="a fish", version=version, where=wanted)
    return sorted(search(world.searcher, request).hits, key=lambda hit: hit.id)
