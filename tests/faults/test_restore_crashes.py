"""For each step of a restore: the process dies right there; it has happened whole or not at all."""

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from shared.failpoints import POINTS
from shared.versions.restoring import restore
from tests.command_line import run_module
from tests.shelves import shelf_of
from tests.worlds import World

HERE = sorted(point for point in POINTS if point.split(".")[0] in ("restore", "publish"))
WRITES_NO_SEGMENT = {"publish.registered", "publish.segment_written"}


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with World.open(tmp_path) as opened:
        opened.add({"id": "a", "text": "first"}, {"id": "b", "text": "kept"})
        opened.index_all()
        opened.add({"id": "a", "text": "second"}, {"id": "c", "text": "later"})
        opened.index_all()
        yield opened


@pytest.mark.parametrize("point", sorted({*HERE} - WRITES_NO_SEGMENT))
def test_whoever_dies_there_has_restored_all_or_nothing(world: World, point: str) -> None:
    child = run_module("tests.faults.crash_child", str(world.folder), point, "restore", seconds=60)
    assert child.returncode == -signal.SIGKILL, child.stderr

    committed = point.endswith("committed")
    assert world.head().version == (3 if committed else 2)
    texts = ["first", "kept"] if committed else ["kept", "later", "second"]
    assert sorted(world.texts_at(world.head().version)) == texts
    again = restore(shelf_of(world), "c", "1")
    assert (again.head.version, again.unchanged) == (3, committed)
    assert sorted(world.texts_at(3)) == ["first", "kept"]
    assert world.live_documents() == {"a": 1, "b": 1}


def test_there_is_a_failure_point_at_every_step() -> None:
    assert {"restore.manifest_written", "restore.committed"} <= {*HERE}
