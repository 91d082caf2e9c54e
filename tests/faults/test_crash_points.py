"""For each step of indexing and merging: the process dies right there, another one goes on."""

import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from shared.domain import State
from shared.failpoints import POINTS
from shared.ingest import deletion, submit
from shared.upkeep import merge_next
from tests.worlds import World

HERE = sorted(point for point in POINTS if point.split(".")[0] in ("index", "publish", "merge"))


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with World.open(tmp_path) as opened:
        yield opened


def die_at(world: World, point: str) -> None:
    """Let another process work on *world* until it kills itself at *point*."""
    child = subprocess.run(
        [sys.executable, "-m", "tests.faults.crash_child", str(world.folder), point],
        check=False,
        timeout=60,
        capture_output=True,
    )
    assert child.returncode == -signal.SIGKILL, child.stderr.decode()


@pytest.mark.parametrize("point", HERE)
def test_whoever_dies_there_nothing_is_lost_and_nothing_is_twice(world: World, point: str) -> None:
    for number in range(10):
        world.add({"id": f"old{number}", "text": f"text {number}"})
        world.index_all()
    added = world.add(*({"id": f"new{number}", "text": f"fresh {number}"} for number in range(5)))
    changed = world.add({"id": "old0", "text": "changed"})
    deleted = submit(world.inbox, world.bell, deletion("old1", collection="c", source="api"))

    die_at(world, point)
    # What the supervisor does when a child has died.
    world.claims.reap(worker=world.bench.worker, max_crashes=3)
    world.index_all()
    while merge_next(world.upkeep()):
        pass

    live = world.live_documents()
    assert set(live.values()) == {1}, "a document is in the index once"
    assert sorted(live) == sorted(
        [f"new{n}" for n in range(5)] + ["old0"] + [f"old{n}" for n in range(2, 10)]
    )
    texts = world.texts_at(world.head().version)
    assert "changed" in texts
    assert "text 0" not in texts
    for receipt in (added, changed, deleted):
        counts = world.records.job(receipt.job_id).counts
        assert counts[State.INDEXED] == sum(counts.values())


def test_there_is_a_failure_point_at_every_step() -> None:
    assert {"publish.registered", "publish.segment_written", "publish.manifest_written"} <= {*HERE}
    assert {"publish.committed", "merge.written", "merge.committed", "index.encoded"} <= {*HERE}
