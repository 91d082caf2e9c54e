"""Opened segments are shared while anybody holds them, by any number of threads."""

import gc
import weakref
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from threading import Barrier, Event

import numpy as np
import pytest

from shared.domain import Manifest, Metric
from shared.index import FolderIndexStore, LocalFiles, layers
from shared.index.pool import Pool
from tests.unit.index import given


def mappings(root: Path) -> int:
    """How many files under *root* this process has mapped."""
    lines = Path("/proc/self/maps").read_text(encoding="utf-8").splitlines()
    return sum(str(root) in line for line in lines)


needs_proc = pytest.mark.skipif(
    not Path("/proc/self/maps").exists(), reason="needs Linux's /proc to count mappings"
)


@needs_proc
def test_files_are_unmapped_when_the_last_snapshot_goes(tmp_path: Path) -> None:
    store = FolderIndexStore(tmp_path)
    version = given.manifest([given.segment(store, 1, 20), given.segment(store, 21, 300)])

    older = store.open(version)
    held = mappings(tmp_path)
    newer = store.open(replace(version, version=2))
    assert mappings(tmp_path) == held > 0

    del older
    newer.search(given.vectors(1), 5)
    del newer
    gc.collect()

    assert mappings(tmp_path) == 0


@needs_proc
def test_a_snapshot_answers_when_all_else_is_gone(tmp_path: Path) -> None:
    store = FolderIndexStore(tmp_path)
    version = given.manifest([given.segment(store, 1, 20), given.segment(store, 21, 300)])
    version = store.with_deleted(version, given.ATTEMPT, np.array([4, 250], dtype=np.int64))
    snapshot = store.open(version)
    before = snapshot.search(given.vectors(3), 50)

    del store
    files = LocalFiles(tmp_path)
    for path in ("7/segments", "7/deletes"):
        files.remove(path)
    gc.collect()
    after = snapshot.search(given.vectors(3), 50)

    assert [one.tolist() for one in before] == [one.tolist() for one in after]


def test_a_layer_alone_keeps_the_mapping_that_its_index_points_to(tmp_path: Path) -> None:
    store = FolderIndexStore(tmp_path)
    part = store._part(7, given.segment(store, 1, 300))
    opened = weakref.ref(part.opened)

    layer = part.layer
    del part
    gc.collect()

    assert opened() is not None
    assert layer.search(given.vectors(1, seed=9), 1)[1].tolist()[0][0] == 9


def test_opening_the_next_version_reads_only_what_is_new(tmp_path: Path) -> None:
    store = FolderIndexStore(tmp_path)
    old = given.manifest([given.segment(store, 1, 20), given.segment(store, 21, 300)])
    held = store.open(old)
    for entry in store.entries(7):
        LocalFiles(tmp_path).remove(entry.key)
    fresh = given.segment(store, 400, 1)

    snapshot = store.open(given.manifest([*old.segments, fresh], version=2))

    assert len(snapshot.ids()) == 321
    assert len(held.ids()) == 320


def test_tiny_segments_are_searched_together(tmp_path: Path) -> None:
    store = FolderIndexStore(tmp_path)
    segments = [given.segment(store, 1 + 30 * n, 30) for n in range(70)]
    opened = [store._part(7, segment) for segment in segments]

    groups = layers.group(opened)

    assert sum(len(group) for group in groups) == 70
    assert len(groups) == 3
    first = layers.group(opened[:50])
    assert first[0] == groups[0], "an append leaves full groups as they are"


def test_threads_search_while_others_open_and_delete(tmp_path: Path) -> None:
    store = FolderIndexStore(tmp_path)
    versions: list[Manifest] = [given.manifest([given.segment(store, 1, 300)])]
    for number in range(1, 25):
        attempt = replace(given.ATTEMPT, id=f"b{number}")
        added = given.segment(store, 1000 * number, 1 + 11 * number, attempt=attempt)
        grown = given.manifest([*versions[-1].segments, added], version=number + 1)
        versions.append(store.with_deleted(grown, attempt, given.ids(number, 1)))
    queries = given.vectors(2, seed=5)
    alone = FolderIndexStore(tmp_path)
    expected = [alone.open(version).search(queries, 10)[1].tolist() for version in versions]
    start = Barrier(6)

    def work(seed: int) -> int:
        start.wait()
        random = np.random.default_rng(seed)
        wrong = 0
        for chosen in random.integers(0, len(versions), 60):
            found = store.open(versions[chosen]).search(queries, 10)[1].tolist()
            wrong += found != expected[chosen]
        return wrong

    with ThreadPoolExecutor(6) as pool:
        assert sum(pool.map(work, range(6))) == 0


def test_a_pool_makes_a_value_once_for_many_threads() -> None:
    class Thing:
        pass

    pool: Pool[str, Thing] = Pool()
    made: list[Thing] = []
    start = Barrier(8)

    def make() -> Thing:
        made.append(Thing())
        return made[-1]

    def ask(_: int) -> Thing:
        start.wait()
        return pool.get("one", make)

    with ThreadPoolExecutor(8) as threads:
        things = list(threads.map(ask, range(8)))

    assert len(made) == 1
    assert all(thing is made[0] for thing in things)


def test_a_slow_making_does_not_hold_up_another_key() -> None:
    class Thing:
        pass

    pool: Pool[str, Thing] = Pool()
    entered, go_on = Event(), Event()

    def slow() -> Thing:
        entered.set()
        assert go_on.wait(30)
        return Thing()

    with ThreadPoolExecutor(1) as threads:
        waiting = threads.submit(pool.get, "slow", slow)
        assert entered.wait(30)
        quick = pool.get("quick", Thing)
        assert not waiting.done()
        go_on.set()
        assert waiting.result() is not quick


def test_a_failed_making_is_tried_again() -> None:
    class Thing:
        pass

    pool: Pool[str, Thing] = Pool()

    def fail() -> Thing:
        raise OSError

    with pytest.raises(OSError):  # noqa: PT011 - any
        pool.get("one", fail)

    assert isinstance(pool.get("one", Thing), Thing)


def test_a_merge_while_its_inputs_are_searched_changes_nothing(tmp_path: Path) -> None:
    store = FolderIndexStore(tmp_path)
    version = given.manifest([given.segment(store, 1 + 50 * n, 50) for n in range(8)])
    snapshot = store.open(version)
    before = snapshot.search(given.vectors(1), 20)[1].tolist()

    given.merged(store, version.segments, Metric.COSINE)

    assert snapshot.search(given.vectors(1), 20)[1].tolist() == before
