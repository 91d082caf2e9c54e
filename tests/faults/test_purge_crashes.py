"""A process dies in the middle of a purge or a repair; another one does it again."""

import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from shared.domain import ChoreKind, ChoreState
from shared.errors import DocumentNotFound
from shared.trust.purging import purge
from shared.upkeep.garbage import collect
from tests.command_line import run_module
from tests.keeping import keeper_of, keys_on_disk, needed_keys
from tests.trust import (
    assert_same,
    examine,
    flip,
    lived_world,
    manifest_of,
    mend,
    purger_of,
    see,
    segment_folder,
    without,
)
from tests.worlds import World

POINTS = ("rewrite.written", "rewrite.committed")


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with lived_world(tmp_path) as opened:
        yield opened


def die_at(world: World, point: str, work: str) -> None:
    """Let another process work on *world* until it kills itself at *point*."""
    child = run_module("tests.faults.crash_child", str(world.folder), point, work, seconds=60)
    assert child.returncode == -signal.SIGKILL, child.stderr
    time.sleep(0.5)  # until its lease is over


def tidy(world: World) -> None:
    """Collect the garbage; then there is nothing but what versions need."""
    collect(keeper_of(world), world.collections.get("c"), dry_run=False)
    assert keys_on_disk(world) == needed_keys(world)


def test_a_purge_that_died_before_it_committed_has_changed_nothing(world: World) -> None:
    before = see(world)

    die_at(world, "rewrite.written", "purge")

    assert_same(before, see(world))
    purge(purger_of(world), "c", "d2")
    assert_same(without(before, "d2"), see(world))
    assert examine(world).findings == ()
    tidy(world)


def test_a_purge_that_died_after_it_committed_is_done_but_for_the_garbage(world: World) -> None:
    before = see(world)

    die_at(world, "rewrite.committed", "purge")

    assert_same(without(before, "d2"), see(world))
    with pytest.raises(DocumentNotFound):
        purge(purger_of(world), "c", "d2")
    assert examine(world).findings == ()
    tidy(world)


@pytest.mark.parametrize("point", POINTS)
def test_a_repair_that_died_is_done_again_or_done(world: World, point: str) -> None:
    before = see(world)
    segment = manifest_of(world, world.head().version).segments[-1]
    flip(segment_folder(world, segment.id) / "data.faiss")

    die_at(world, point, "repair")
    report = mend(world)

    assert report.lost == ()
    assert bool(report.versions) == (point == "rewrite.written")
    assert_same(before, see(world))
    assert examine(world).findings == ()
    assert needed_keys(world) <= keys_on_disk(world), "the dead attempt's files go in an hour"
    last = world.chores.last(world.collection.id, ChoreKind.REWRITE)
    assert last is not None
    assert last.state is ChoreState.DONE
