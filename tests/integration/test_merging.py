"""Merges beside everything else: searches, deletes and each other."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from shared.ingest import deletion, submit
from shared.upkeep import merge_next
from tests.worlds import World


@pytest.fixture
def world(tmp_path: Path, database_url: str) -> Iterator[World]:
    """A world on each database, since what publishes must hold on both."""
    with World.open(tmp_path, database_url=database_url) as opened:
        yield opened


def add_segments(world: World, count: int) -> None:
    for number in range(count):
        world.add({"id": f"d{number}", "text": f"text {number}"})
        world.index_all()


def test_a_merge_changes_how_vectors_lie_and_nothing_else(world: World) -> None:
    add_segments(world, 8)
    before = world.search("text 3")

    assert merge_next(world.upkeep())

    after = world.search("text 3")
    assert world.segments() == 1
    assert [hit.id for hit in after.hits] == [hit.id for hit in before.hits]
    assert [hit.score for hit in after.hits] == pytest.approx([hit.score for hit in before.hits])
    assert after.version == before.version + 1


def test_versions_before_a_merge_can_still_be_searched(world: World) -> None:
    add_segments(world, 8)
    merge_next(world.upkeep())

    assert len(world.texts_at(3)) == 3


def test_deletes_that_come_during_a_merge_are_not_undone(world: World) -> None:
    add_segments(world, 8)

    def delete_meanwhile() -> None:
        submit(world.inbox, world.bell, deletion("d2", collection="c", source="api"))
        world.add({"id": "d5", "text": "changed"})
        world.index_all()

    assert merge_next(world.upkeep(when_chosen=delete_meanwhile))

    live = world.live_documents()
    assert "d2" not in live
    assert live["d5"] == 1
    assert len(live) == 7
    assert "changed" in world.texts_at(world.head().version)


def test_of_two_merges_of_the_same_segments_one_gives_up(world: World) -> None:
    add_segments(world, 8)

    def merge_meanwhile() -> None:
        assert merge_next(world.upkeep())

    assert not merge_next(world.upkeep(when_chosen=merge_meanwhile))
    assert world.head().version == 9, "eight commits and one merge"
    assert world.segments() == 1
    assert len(world.live_documents()) == 8


def test_when_everything_is_deleted_the_segments_go(world: World) -> None:
    add_segments(world, 3)
    for number in range(3):
        submit(world.inbox, world.bell, deletion(f"d{number}", collection="c", source="api"))
    world.index_all()

    assert world.segments() == 0
    assert world.hits("text") == ()


def test_repeated_adding_and_merging_keeps_the_segments_few(world: World) -> None:
    most = 0
    for number in range(40):
        world.add({"id": f"d{number}", "text": f"text {number}"})
        world.index_all()
        while merge_next(world.upkeep()):
            pass
        most = max(most, world.segments())

    assert most <= 16
    assert np.array_equal(sorted(world.live_documents()), sorted(f"d{n}" for n in range(40)))
