"""For each step of garbage collection: the process dies right there, another one goes on."""

import signal
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from shared.domain import ChoreKind, Garbage
from shared.errors import Busy
from shared.failpoints import POINTS
from shared.upkeep.garbage import collect
from tests.command_line import run_module
from tests.keeping import (
    abandoned_segment,
    check_nothing_lost,
    contents,
    keep_only,
    keeper_of,
    keys_on_disk,
    live_a_little,
    needed_keys,
    numbers,
    put,
)
from tests.worlds import World

HERE = sorted(point for point in POINTS if point.split(".")[0] == "gc")


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with World.open(tmp_path) as opened:
        yield opened


def die_at(world: World, point: str) -> None:
    """Let another process collect the garbage of *world* until it kills itself at *point*."""
    child = run_module("tests.faults.crash_child", str(world.folder), point, "collect", seconds=60)
    assert child.returncode == -signal.SIGKILL, child.stderr


def collect_when_free(world: World) -> Garbage:
    """Collect as soon as the lease of the process that died has run out."""
    collection = world.collections.get("c")
    deadline = time.monotonic() + 20
    while True:
        try:
            return collect(keeper_of(world), collection, dry_run=False)
        except Busy:
            assert time.monotonic() < deadline
            time.sleep(0.05)


@pytest.mark.parametrize("point", [*HERE, "gc.removed:2", "gc.removed:9"])
def test_whoever_dies_there_the_next_run_ends_the_job(world: World, point: str) -> None:
    live_a_little(world)
    world.versions.tag(world.collection.id, 4, "named")
    attempt = abandoned_segment(world)
    before, collection = contents(world), keep_only(world, 1)
    whole = collect(keeper_of(world), collection, dry_run=True)
    assert len(whole.removed) > 9

    die_at(world, point)

    check_nothing_lost(world, before)
    died_with = keys_on_disk(world)
    assert needed_keys(world) <= died_with
    rest = collect_when_free(world)

    assert numbers(world) == [4, 13]
    check_nothing_lost(world, before)
    assert keys_on_disk(world) == needed_keys(world)
    assert world.versions.attempts([attempt.id])[attempt.id].state == "revoked"
    assert {*rest.removed} == died_with - keys_on_disk(world)
    assert {*rest.removed} <= {*whole.removed}
    kept = world.versions.kept(collection.id)
    assert [one.version for one in kept] == [4, 13], "the others are buried"
    nothing = collect(keeper_of(world), collection, dry_run=False)
    assert replace(nothing, forgotten=0) == Garbage(collection="c")


def test_a_process_that_died_is_shown_as_lost_and_the_next_one_as_done(world: World) -> None:
    for number in range(3):
        put(world, number)
    keep_only(world, 1)

    die_at(world, "gc.removed")
    collect_when_free(world)

    chores = [one for one in world.chores.chores(limit=10) if one.kind is ChoreKind.COLLECT]
    assert sorted(one.state.value for one in chores) == ["done", "lost"]


def test_there_is_a_failure_point_at_every_step() -> None:
    assert {*HERE} == {"gc.expired", "gc.revoked", "gc.removed", "gc.buried"}
