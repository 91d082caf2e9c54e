"""For each step of indexing and merging: the process dies right there, another one goes on.

Between two of these points, too: `test_power_cuts.py` stops publishing, merging, restoring,
purging and the collection of garbage before each of their system calls and commits, and what a
process that dies there leaves is among what it tries (`Flushed.MOST`). These here are real
deaths, by SIGKILL, with threads, locks and leases in mid-air.
"""

import ast
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from shared.domain import Chunking, Policy, State
from shared.failpoints import POINTS
from shared.ingest import deletion, submit
from shared.upkeep.garbage import collect
from shared.upkeep.merging import merge_next, relay_next
from tests.command_line import run_module
from tests.faults.crash_child import SMALL
from tests.keeping import contents, keeper_of, keys_on_disk, let_hours_pass, needed_keys
from tests.worlds import World

HERE = sorted(point for point in POINTS if point.split(".")[0] in ("index", "publish", "merge"))


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with World.open(tmp_path) as opened:
        yield opened


def die_at(world: World, point: str, work: str = "index") -> None:
    """Let another process do *work* in *world* until it kills itself at *point*."""
    child = run_module("tests.faults.crash_child", str(world.folder), point, work, seconds=60)
    assert child.returncode == -signal.SIGKILL, child.stderr


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


RELAY = ["merge.written", "publish.manifest_written", "publish.committed", "merge.committed"]


@pytest.mark.parametrize("point", RELAY)
def test_whoever_dies_while_laying_out_has_done_it_all_or_left_it(
    tmp_path: Path, point: str
) -> None:
    long = " ".join(f"w{number}" for number in range(16 * 260))
    chunking = Chunking(max_tokens=16, overlap_tokens=0)
    with World.open(tmp_path, merge=SMALL, chunking=chunking) as world:
        world.add({"id": "long", "text": long})
        world.index_all()
        before = contents(world)[1]

        die_at(world, point, "relay")

        committed = point.endswith("committed")
        assert world.head().version == (2 if committed else 1)
        assert contents(world)[world.head().version] == before
        let_hours_pass(world)
        assert relay_next(world.upkeep()) == (not committed)
        assert contents(world)[2] == before
        (segment,) = world.manifest().segments
        assert segment.layout
        assert segment.layout.policy is Policy.SQ8
        collect(keeper_of(world), world.collections.get("c"), dry_run=False)
        assert keys_on_disk(world) == needed_keys(world)


DIES_IN = {
    "index": "tests/faults/test_crash_points.py",
    "publish": "tests/faults/test_crash_points.py",
    "merge": "tests/faults/test_crash_points.py",
    "restore": "tests/faults/test_restore_crashes.py",
    "rebuild": "tests/faults/test_rebuild_crashes.py",
    "rewrite": "tests/faults/test_purge_crashes.py",
    "gc": "tests/faults/test_garbage_crashes.py",
    "import": "tests/integration/test_archives.py",
    "backup": "tests/integration/test_backups.py",
    "load": "tests/integration/test_backups.py",
    "intake": "tests/integration/test_intake_process.py",
    "web": "tests/integration/test_web_process.py",
    "discard": "tests/faults/test_telling_crashes.py",
    "webhook": "tests/faults/test_telling_crashes.py",
    "upload": "tests/faults/test_upload_crashes.py",
    "map": "tests/faults/test_map_crashes.py",
}
"""Where a process dies at the points of a group."""
ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("point", sorted(POINTS))
def test_a_process_dies_at_every_point_in_some_test(point: str) -> None:
    """By name, or by its group: such a module takes all points of one from `POINTS`."""
    group = point.partition(".")[0]
    source = (ROOT / DIES_IN[group]).read_text(encoding="utf-8")
    words = {
        node.value.partition(":")[0]
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }

    dies = "SIGKILL" in source or "LAMINA_FAIL_AT" in source
    assert dies, "[crash-points] nothing dies there"
    by_group = group in words and 'point.split(".")[0]' in source
    assert point in words or by_group, f"[crash-points] no process dies at {point}"


def test_every_point_is_reached_by_the_product() -> None:
    reached = {
        node.args[0].value
        for folder in ("shared", "web", "workers")
        for path in (ROOT / folder).rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call)
        and ast.unparse(node.func) in ("reach", "failpoints.reach")
        and isinstance(node.args[0], ast.Constant)
    }

    assert reached == POINTS
