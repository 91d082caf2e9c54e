"""Whoever dies with a file in hand: it is read again, and no document of it is lost or twice."""

import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from shared.domain import State, UploadState
from shared.failpoints import POINTS
from shared.uploads.clearing import clear_away, remove_orphans
from tests.command_line import run_module
from tests.mills import archive, attic_of, files_of, mill_of, parse_all, send, stored_keys
from tests.worlds import World

HERE = sorted(point for point in POINTS if point.split(".")[0] == "upload")
OFTEN = ("upload.stored", "upload.ended")
"""Where a document could be lost or doubled; the others are tried less often."""
ROWS = 600
FILES = {
    "t.csv": b"id,text\n" + b"".join(b"r%d,words of row %d\n" % (n, n) for n in range(ROWS)),
    "z.zip": archive({"a.txt": b"alpha", "b.txt": b"beta"}),
}


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with World.open(tmp_path) as opened:
        yield opened


@pytest.mark.parametrize(
    "point",
    [pytest.param(one, marks=() if one in OFTEN else pytest.mark.slow) for one in HERE],
)
def test_whoever_dies_with_a_file_leaves_it_to_the_next(world: World, point: str) -> None:
    taking = point == "upload.kept"
    receipt, _ = (None, None) if taking else send(world, FILES)

    child = run_module(
        "tests.faults.crash_child",
        str(world.folder),
        f"{point}:2" if point == "upload.ended" else point,
        "take files" if taking else "read files",
        seconds=60,
    )
    assert child.returncode == -signal.SIGKILL, child.stderr

    if taking:
        assert world.records.jobs(limit=10) == []
        assert stored_keys(world), "bytes that belong to nobody"
        receipt, _ = send(world, FILES)
    assert receipt is not None
    deadline = time.monotonic() + 30
    while world.records.job(receipt.job_id).files.waiting:
        assert time.monotonic() < deadline, files_of(world, receipt.job_id)
        parse_all(mill_of(world))
    world.index_all()

    assert {one.state for one in files_of(world, receipt.job_id)} == {UploadState.DONE}
    counts = world.records.job(receipt.job_id).counts
    assert counts == {State.INDEXED: ROWS + 2}
    assert set(world.live_documents().values()) == {1}
    assert len(world.live_documents()) == ROWS + 2
    clear_away(attic_of(world), grace_seconds=0, failed_seconds=0, draft_seconds=3600)
    remove_orphans(attic_of(world), world.roster, older_than_seconds=-3600)
    assert stored_keys(world) == []
