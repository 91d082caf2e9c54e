"""Whoever dies with a map drawn and not kept leaves the wish, up to a few times."""

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from shared.domain import MapState
from shared.projecting.mapping import MOST_TRIES, draw_next
from tests.command_line import run_module
from tests.studios import studio_of
from tests.worlds import World


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with World.open(tmp_path) as opened:
        opened.add(*({"id": f"d{number}", "text": f"text {number}"} for number in range(4)))
        opened.index_all()
        yield opened


def die(world: World) -> None:
    child = run_module("tests.faults.crash_child", str(world.folder), "map.drawn", "map")
    assert child.returncode == -signal.SIGKILL, child.stderr


def test_the_wish_of_one_who_died_is_drawn_by_the_next(world: World) -> None:
    with studio_of(world) as studio:
        studio.maps.ask(world.collection.id, 1, sample=100, seed=0)
        die(world)
        left = studio.maps.find(world.collection.id)
        assert left is not None
        assert (left.state, left.projection) == (MapState.WANTED, None)

        while not draw_next(studio):  # until the dead one's lease has run out
            pass

        done = studio.maps.find(world.collection.id)
        assert done is not None
        assert done.projection is not None
        assert len(done.projection.ids) == 4


def test_a_map_that_ends_every_process_is_given_up(world: World) -> None:
    with studio_of(world) as studio:
        wish = studio.maps.ask(world.collection.id, 1, sample=100, seed=0)
        for _ in range(MOST_TRIES):
            # As one that died leaves it, without the waiting for its lease.
            again = studio.maps.next(most_tries=MOST_TRIES)
            assert again is not None
            studio.maps.begin(again)

        assert not draw_next(studio)
        left = studio.maps.find(world.collection.id)
        assert left is not None
        assert (left.state, left.version) == (MapState.FAILED, wish.version)
        assert "died 3 times" in left.detail
