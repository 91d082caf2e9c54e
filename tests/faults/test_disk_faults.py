"""The disk is full or fails at every step of everything that writes: nothing is lost.

Each act is done anew with one of its steps failing. Whatever the step: the head and every version
stay as they are, the work waits and is done when the disk is well again, and no file is touched
again after an error, since after a failed fsync the kernel may call a lost page written.
`tests/unit/index/test_files.py` does so for the files alone; here the catalog is with them.
"""

import errno
import os
import resource
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import pytest

from shared.domain import Chunking, IndexRule, Policy
from shared.errors import Retryable
from shared.index.disk import Disk
from shared.indexing.turns import index_next
from shared.ingest import deletion, submit
from shared.settings import MergeSettings
from shared.trust.purging import purge
from shared.upkeep.garbage import collect
from shared.upkeep.merging import merge_next, relay_next
from shared.versions.restoring import restore
from tests.keeping import contents, keep_only, keeper_of, keys_on_disk, let_hours_pass, needed_keys
from tests.refusals import refused
from tests.shelves import shelf_of
from tests.trust import purger_of
from tests.unit.index.disks import RecordingDisk
from tests.worlds import World

# Two segments are merged, and 256 vectors laid out for approximate search.
MERGE = MergeSettings(fan_in=2, floor=256, ann_from=256, threads=1)
CHUNKING = Chunking(max_tokens=16, overlap_tokens=0)
LONG = " ".join(f"w{number}" for number in range(16 * 260))

Act: TypeAlias = Callable[[World], object]
Told: TypeAlias = dict[int, list[tuple[str, str]]]
ROOT = Path(__file__).resolve().parents[2]


@dataclass
class SickDisk(RecordingDisk):
    """Fails at a step; from there on it refuses whatever needs space, until it is well again."""

    full_since: int | None = None

    def make_folder(self, path: Path) -> None:
        self._refuse()
        super().make_folder(path)

    def create(self, path: Path) -> int:
        self._refuse()
        return super().create(path)

    def write(self, descriptor: int, content: bytes | memoryview) -> None:
        self._refuse()
        super().write(descriptor, content)

    def remove(self, path: Path) -> None:
        if not path.name.endswith(".tmp"):  # the clearing away after a failed step is no step
            self._step("remove", path.name)
        super().remove(path)

    def _refuse(self) -> None:
        if self.full_since is not None and len(self.steps) >= self.full_since:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def recover(self) -> None:
        """Be well from now on."""
        self.fail_at = self.full_since = None


@contextmanager
def opened(folder: Path, disk: Disk) -> Iterator[World]:
    with World.open(folder, merge=MERGE, chunking=CHUNKING, disk=disk) as world:
        yield world


def live(world: World) -> None:
    """Publish three versions, and leave an addition, an upsert and a delete waiting."""
    world.add({"id": "long", "text": LONG}, {"id": "a", "text": "first"})
    world.index_all()
    world.add({"id": "b", "text": "second"}, {"id": "c", "text": "third"})
    world.index_all()
    world.add({"id": "b", "text": "changed"})
    world.index_all()
    world.add({"id": "d", "text": "fourth"}, {"id": "c", "text": "changed, too"})
    submit(world.inbox, world.bell, deletion("a", collection="c", source="api"))


# --- the acts -------------------------------------------------------------------------------------


def publish(world: World) -> object:
    return index_next(world.bench)


def merge(world: World) -> object:
    return merge_next(world.upkeep())


def lay_out(world: World) -> object:
    world.collections.configure("c", index=IndexRule(policy=Policy.HNSW))
    return relay_next(world.upkeep())


def turn_back(world: World) -> object:
    return restore(shelf_of(world), "c", "1")


def erase(world: World) -> object:
    return purge(purger_of(world, store=world.store), "c", "b")


def clear(world: World) -> object:
    return collect(keeper_of(world), keep_only(world, 1), dry_run=False)


ACTS: list[Act] = [publish, merge, lay_out, turn_back, erase, clear]
LONG_ACTS = (merge, lay_out, erase)
"""Those with the most steps."""


def _quick_or_slow(act: Act) -> object:
    marks = [pytest.mark.slow] if act in LONG_ACTS else []
    return pytest.param(act, id=act.__name__, marks=marks)


COMMITS_FIRST = {clear, erase}
"""These remove files after their commit, so that it may be done when they fail."""
NEEDS_SPACE = {"make_folder", "create", "write"}


@pytest.fixture(scope="module")
def start(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder to start from."""
    folder = tmp_path_factory.mktemp("start")
    with opened(folder, RecordingDisk()) as world:
        live(world)
        if world.manifest().segments[0].live < MERGE.ann_from:
            pytest.fail("The test needs a segment to lay out.")
    return folder


@dataclass(frozen=True, slots=True)
class Healthy:
    """An act on a disk that is well: what it must come to in the end."""

    steps: list[tuple[str, str]]
    before: Told
    after: Told


def measure(start: Path, folder: Path, act: Act) -> Healthy:
    """Do *act* on a disk that is well."""
    disk = SickDisk()
    with again(start, folder, disk) as world:
        before = contents(world)
        act(world)
        return Healthy(list(disk.steps), before, contents(world))


@contextmanager
def again(start: Path, folder: Path, disk: Disk) -> Iterator[World]:
    """Open a copy of *start*, for so long as the block lasts."""
    shutil.copytree(start, folder)
    with opened(folder, disk) as world:
        yield world
    shutil.rmtree(folder)


def fail(world: World, disk: SickDisk, act: Act) -> None:
    """Do *act*, which must say that it cannot."""
    if act is erase:  # its files may stay behind, which it says; the document does not
        try:
            report = purge(purger_of(world, store=world.store), "c", "b")
        except Retryable:
            return
        assert report.warnings, "[disk-fault] a purge that left files says so"
        return
    with refused(Retryable, "[disk-fault] an error was passed over"):
        act(world)
    assert disk.steps, "[disk-fault] the act failed before it began"


def check_nothing_lost(world: World, act: Act, healthy: Healthy, when: str) -> None:
    now = contents(world)
    possible = [healthy.before, healthy.after] if act in COMMITS_FIRST else [healthy.before]
    assert now in possible, f"[disk-fault] a version has changed {when}"
    missing = needed_keys(world) - keys_on_disk(world)
    assert not missing, f"[kept-files] files of kept versions are gone {when}: {missing}"
    assert world.chores.damages() == [], f"[disk-fault] something was found damaged {when}"


def check_goes_on(world: World, act: Act, healthy: Healthy, when: str) -> None:
    """The work is done, now that the disk is well; and nothing stays behind."""
    if act is not erase or contents(world) != healthy.after:
        act(world)
    assert contents(world) == healthy.after, f"[disk-fault] the work was not done {when}"
    let_hours_pass(world)
    collect(keeper_of(world), world.collections.get("c"), dry_run=False)
    assert keys_on_disk(world) == needed_keys(world), f"[disk-fault] remains {when}"


def distinct(steps: Sequence[tuple[str, str]]) -> Iterator[tuple[int, tuple[str, str]]]:
    """Yield the steps by number, the first of many writes to the same file."""
    for number, (before, step) in enumerate(zip([None, *steps], steps, strict=False), start=1):
        if step != before:
            yield number, step


@pytest.mark.timeout(300)
@pytest.mark.parametrize("act", [_quick_or_slow(one) for one in ACTS])
def test_an_error_at_any_step_loses_nothing_and_the_work_is_done_later(
    start: Path, tmp_path: Path, act: Act
) -> None:
    healthy = measure(start, tmp_path / "healthy", act)

    for number, step in distinct(healthy.steps):
        when = f"after an error at step {number}, {' '.join(step)}"
        disk = SickDisk(fail_at=number, error=errno.EIO)
        with again(start, tmp_path / "sick", disk) as world:
            fail(world, disk, act)

            assert len(disk.steps) == number, f"[disk-fault] went on {when}: {disk.steps[number:]}"
            check_nothing_lost(world, act, healthy, when)
            disk.recover()
            check_goes_on(world, act, healthy, when)


@pytest.mark.timeout(300)
@pytest.mark.parametrize(
    "act", [_quick_or_slow(one) for one in (publish, merge, lay_out, turn_back, erase)]
)
def test_a_disk_that_is_full_from_any_step_on_loses_nothing(
    start: Path, tmp_path: Path, act: Act
) -> None:
    """Every fifth step: that it fails at each is tested above, this is for what is done then."""
    healthy = measure(start, tmp_path / "healthy", act)
    last = max(number for number, step in enumerate(healthy.steps) if step[0] in NEEDS_SPACE)

    for number in [*range(0, last, 5), last]:
        when = f"on a disk full from step {number} on"
        disk = SickDisk(full_since=number)
        with again(start, tmp_path / "sick", disk) as world:
            for _ in range(2):
                fail_again(world, act)
                check_nothing_lost(world, act, healthy, when)
            disk.recover()
            check_goes_on(world, act, healthy, when)


def fail_again(world: World, act: Act) -> None:
    with refused(Retryable, "[disk-fault] a full disk was passed over"):
        act(world)
    world.claims.reap(worker=world.bench.worker, max_crashes=3)


def test_garbage_is_collected_on_a_full_disk(start: Path, tmp_path: Path) -> None:
    healthy = measure(start, tmp_path / "healthy", clear)
    disk = SickDisk(full_since=0)

    with again(start, tmp_path / "full", disk) as world:
        clear(world)

        assert contents(world) == healthy.after
        assert keys_on_disk(world) == needed_keys(world)


# --- refused by the kernel itself -----------------------------------------------------------------


class SmallFiles(Disk):
    """The real kernel refuses files of more than so many bytes, in the middle of a write."""

    limit: int | None = None

    def write(self, descriptor: int, content: bytes | memoryview) -> None:
        before = resource.getrlimit(resource.RLIMIT_FSIZE)
        if self.limit is not None:
            resource.setrlimit(resource.RLIMIT_FSIZE, (self.limit, before[1]))
        try:
            super().write(descriptor, content)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_write_that_the_kernel_cuts_short_loses_nothing(start: Path, tmp_path: Path) -> None:
    disk = SmallFiles()
    with again(start, tmp_path / "small", disk) as world:
        before, disk.limit = contents(world), 500

        with pytest.raises(Retryable, match="File too large"):
            publish(world)

        assert contents(world) == before, "[disk-fault] a version has changed"
        disk.limit = None
        world.index_all()
        assert world.live_documents().keys() == {"long", "b", "c", "d"}


@pytest.mark.slow
def test_a_file_system_that_runs_full_loses_nothing(start: Path, tmp_path: Path) -> None:
    """A small file system of its own, until its last byte."""
    folder = shutil.copytree(start, tmp_path / "full")
    inside = "mount -t tmpfs -o size=320k lamina index && "
    probe = [*_UNSHARE, f"{inside} true"]
    if shutil.which("unshare") is None or subprocess.run(probe, cwd=folder, check=False).returncode:
        pytest.skip("This machine does not let a test mount a file system.")
    copy = f"cp -r index stored && {inside} cp -r stored/. index && cd {ROOT}"
    child = f"{sys.executable} -m tests.faults.full_child {folder}"

    done = subprocess.run(
        [*_UNSHARE, f"{copy} && exec {child}"],
        cwd=folder,
        check=False,
        capture_output=True,
        text=True,
        timeout=120,
    )

    assert done.returncode == 0, done.stderr
    assert "[disk-fault]" not in done.stderr


_UNSHARE = ("unshare", "--user", "--map-root-user", "--mount", "sh", "-c")
