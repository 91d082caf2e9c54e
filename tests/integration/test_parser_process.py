"""The process `parser`: it reads what waits, ends when it is told to, and takes its child along."""

import signal
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from shared.domain import UploadState
from tests.mills import files_of, send
from tests.worker_process import WorkerProcess, wait_until
from tests.worlds import World


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with World.open(tmp_path) as opened:
        yield opened


def test_it_reads_what_waits_and_leaves_nothing_running(world: World, tmp_path: Path) -> None:
    receipt, _ = send(world, {"a.txt": b"alpha", "b.md": b"# beta"})
    assert receipt is not None
    with WorkerProcess("parser", tmp_path) as process:
        wait_until(lambda: not world.records.job(receipt.job_id).files.waiting, seconds=60)
        assert {one.state for one in files_of(world, receipt.job_id)} == {UploadState.DONE}
        assert world.roster.alive(within_seconds=60) == {"parser": 1}
        children = psutil.Process(process.pid).children()
        assert [one.cmdline()[-1] for one in children] == ["shared.files.child"]
        assert not {name for name in children[0].environ() if name.startswith("LAMINA")}

        process.send(signal.SIGKILL)

        wait_until(lambda: process.ended, seconds=20)
        wait_until(lambda: not any(one.is_running() for one in children), seconds=20)
    assert world.records.job(receipt.job_id).total == 2


def test_a_file_in_hand_is_given_back_when_it_is_told_to_end(world: World, tmp_path: Path) -> None:
    rows = b"".join(b"%d,some words of row %d\n" % (n, n) for n in range(60_000))
    receipt, _ = send(world, {"big.csv": b"id,text\n" + rows})
    assert receipt is not None
    with WorkerProcess("parser", tmp_path) as process:
        wait_until(lambda: world.records.job(receipt.job_id).total > 0, seconds=60)
        process.send(signal.SIGTERM)
        wait_until(lambda: process.ended, seconds=30)
    (file,) = files_of(world, receipt.job_id)
    assert file.state in (UploadState.PENDING, UploadState.DONE), file.error
    assert file.documents == world.records.job(receipt.job_id).total
