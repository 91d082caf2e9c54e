"""Garbage collection and others at once: what is kept stays whole, whoever is first."""

import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest

from shared.catalog import Database, SqlVersions
from shared.domain import (
    Attempt,
    AttemptStanding,
    ChoreKind,
    Commit,
    Garbage,
    Head,
    Ids,
    KeptVersion,
    Manifest,
    Metric,
    Segment,
    StoredEntry,
    Vectors,
    VersionKind,
)
from shared.errors import Busy, CorruptFile, Fenced, Retryable, VersionExpired
from shared.index import FolderIndexStore
from shared.indexing.turns import index_claim, index_next
from shared.upkeep.garbage import collect, sweep
from shared.upkeep.merging import merge_next
from tests.keeping import (
    check_nothing_lost,
    contents,
    database_of,
    keep_only,
    keeper_of,
    keys_on_disk,
    let_hours_pass,
    live_a_little,
    live_versions,
    needed_keys,
    numbers,
    put,
)
from tests.refusals import refused
from tests.worlds import World


@pytest.fixture
def world(tmp_path: Path, database_url: str) -> Iterator[World]:
    """A world on each database, since what decides must hold on both."""
    with World.open(tmp_path, database_url=database_url) as opened:
        yield opened


class Paused(FolderIndexStore):
    """An index store in which something happens right after a segment was written."""

    def __init__(self, root: Path, after_segment: Callable[[], None]) -> None:
        super().__init__(root)
        self._after_segment = after_segment

    def write_segment(
        self, attempt: Attempt, *, space_id: int, metric: Metric, ids: Ids, vectors: Vectors
    ) -> Segment:
        segment = super().write_segment(
            attempt, space_id=space_id, metric=metric, ids=ids, vectors=vectors
        )
        self._after_segment()
        return segment


# --- two at once --------------------------------------------------------------------------------


def test_of_two_collections_at_once_one_is_told_to_wait(world: World) -> None:
    live_a_little(world)
    other = world.chores.begin(
        world.collection.id, ChoreKind.COLLECT, holder="another", lease_seconds=60
    )
    assert other is not None

    with pytest.raises(Busy, match="'c' is being collected just now"):
        collect(keeper_of(world), keep_only(world, 1), dry_run=False)

    assert len(numbers(world)) == 13


def test_a_process_that_shall_end_stops_between_two_files(world: World) -> None:
    live_a_little(world)
    collection, before = keep_only(world, 1), contents(world)
    keeper = keeper_of(world)
    asked = iter([False, False, True])
    stopping = replace(keeper, shift=replace(keeper.shift, stopping=lambda: next(asked)))

    with pytest.raises(Retryable, match="stopping"):
        collect(stopping, collection, dry_run=False)

    check_nothing_lost(world, before)
    assert keys_on_disk(world) > needed_keys(world)
    collect(keeper, collection, dry_run=False)
    assert keys_on_disk(world) == needed_keys(world)
    check_nothing_lost(world, before)


def test_who_leases_a_version_after_it_was_chosen_keeps_it(world: World) -> None:
    """Between choosing what goes and letting it go, a reader arrives."""
    live_a_little(world)
    collection, before = keep_only(world, 1), contents(world)

    class Late(SqlVersions):
        def expire(self, collection_id: int, versions: Sequence[int]) -> Sequence[int]:
            world.versions.hold(collection_id, 4, "a reader", 60)
            return super().expire(collection_id, versions)

    late = keeper_of(replace(world, versions=Late(database_of(world))))
    garbage = collect(late, collection, dry_run=False)

    assert 4 not in garbage.expired
    assert numbers(world) == [4, 13]
    check_nothing_lost(world, before)


def test_a_writer_that_wakes_up_after_its_files_were_removed_is_refused(world: World) -> None:
    put(world, 1)
    world.add({"id": "d2", "text": "text 2"})

    def lose_everything() -> None:
        world.claims.release(claim.id, delay_seconds=0, reason="the test")
        assert len(collect(keeper_of(world), world.collection, dry_run=False).removed) == 1

    store = Paused(world.folder / "index", lose_everything)
    claim = world.claim()
    index_claim(replace(world.bench, store=store), claim)

    assert world.head().version == 1, "it published nothing"
    check_nothing_lost(world, {})
    world.index_all()
    assert world.live_documents() == {"d1": 1, "d2": 1}, "the next worker did"


def test_a_merge_that_stood_still_for_hours_is_fenced_off_and_cannot_publish(
    world: World,
) -> None:
    live_a_little(world)
    for number in range(30, 37):
        put(world, number)
    head = world.head()
    revoked: list[str] = []

    def stand_still() -> None:
        let_hours_pass(world)
        revoked.extend(collect(keeper_of(world), world.collection, dry_run=False).revoked)

    with refused(Fenced, "[fence] a merge whose files were taken for garbage"):
        merge_next(world.upkeep(when_chosen=stand_still))

    assert len(revoked) == 1
    assert world.head() == head
    check_nothing_lost(world, {})


class Reading(FolderIndexStore):
    """Index files between whose listing and the next reading something happens, once."""

    def __init__(self, root: Path, meanwhile: Callable[[], None]) -> None:
        super().__init__(root)
        self._meanwhile: list[Callable[[], None]] = [meanwhile]

    def entries(self, collection_id: int) -> list[StoredEntry]:
        found = super().entries(collection_id)
        while self._meanwhile:
            self._meanwhile.pop()()
        return found


class Asking(SqlVersions):
    """Versions after one of whose answers something happens, once."""

    def __init__(self, database: Database, question: str, meanwhile: Callable[[], None]) -> None:
        super().__init__(database)
        self._meanwhile = {question: meanwhile}

    def attempts(self, attempt_ids: Sequence[str]) -> Mapping[str, AttemptStanding]:
        found = super().attempts(attempt_ids)
        self._meanwhile.pop("attempts", lambda: None)()
        return found

    def kept(self, collection_id: int) -> Sequence[KeptVersion]:
        found = super().kept(collection_id)
        self._meanwhile.pop("kept", lambda: None)()
        return found


class Writer:
    """Somebody in mid-publish, in a thread: its segment is on disk, its version not yet there."""

    def __init__(self, publish: Callable[[Callable[[], None]], object]) -> None:
        """Begin to *publish*, which calls its argument once the segment is written."""
        self._written, self._go = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=publish, args=(self._pause,), daemon=True)
        self._thread.start()
        assert self._written.wait(20)

    def finish(self) -> None:
        """Publish, and return when that is done."""
        self._go.set()
        self._thread.join(20)
        assert not self._thread.is_alive()

    def _pause(self) -> None:
        self._written.set()
        assert self._go.wait(20)


def indexing(world: World, number: int) -> Writer:
    """Return a worker that publishes a document."""
    world.add({"id": f"d{number}", "text": f"text {number}"})

    def publish(pause: Callable[[], None]) -> None:
        index_next(replace(world.bench, store=Paused(world.folder / "index", pause)))

    return Writer(publish)


@pytest.mark.parametrize("after", ["entries", "attempts", "kept"])
def test_what_is_published_while_a_collection_looks_around_is_no_garbage(
    world: World, after: str
) -> None:
    """Whichever of the three readings it follows."""
    put(world, 1)
    writer = indexing(world, 2)
    keeper = keeper_of(world)
    if after == "entries":
        keeper = replace(keeper, files=Reading(world.folder / "index", writer.finish))
    else:
        asking = Asking(database_of(world), after, writer.finish)
        keeper = replace(keeper, shift=replace(keeper.shift, versions=asking))

    collect(keeper, world.collection, dry_run=False)

    assert world.head().version == 2
    check_nothing_lost(world, {})
    assert world.live_documents() == {"d1": 1, "d2": 1}


def test_a_merge_taken_for_dead_that_publishes_before_it_is_fenced_off_is_no_garbage(
    world: World,
) -> None:
    for number in range(8):
        put(world, number)
    merger = Writer(lambda pause: merge_next(world.upkeep(when_chosen=pause)))
    let_hours_pass(world)
    keeper = keeper_of(world)
    asking = Asking(database_of(world), "kept", merger.finish)
    late = replace(keeper, shift=replace(keeper.shift, versions=asking))

    # Asked for the first time by `sweep`, which finds the merge open and then cannot revoke it.
    garbage = sweep(late, world.collection, lambda _done, _total: None)

    assert garbage == Garbage(collection="c"), "[kept-files] a published merge was removed"
    assert world.head().version == 9
    check_nothing_lost(world, {})
    assert len(world.live_documents()) == 8


def test_a_version_that_goes_while_a_collection_looks_around_does_not_stop_it(
    world: World,
) -> None:
    """Another process expires and removes a version whose manifest is about to be read."""
    live_a_little(world)
    collection, keeper = keep_only(world, 1), keeper_of(world)

    class Forestalled(FolderIndexStore):
        forestalled = False

        def read_manifest(self, head: Head) -> Manifest:
            if not self.forestalled:
                self.forestalled = True
                collect(keeper, collection, dry_run=False)
            return super().read_manifest(head)

    late = replace(keeper, store=Forestalled(world.folder / "index"))
    assert sweep(late, collection, lambda _done, _total: None) == Garbage(collection="c")

    assert numbers(world) == [13]
    assert world.chores.damages(collection.id) == []
    assert keys_on_disk(world) == needed_keys(world)


# --- all at once --------------------------------------------------------------------------------


class Crowd:
    """Threads that repeat something until told to end; the first fault of any is raised."""

    def __init__(self) -> None:
        self._over = threading.Event()
        self._faults: list[BaseException] = []
        self._threads: list[threading.Thread] = []

    def repeat(self, act: Callable[[], None]) -> None:
        def run() -> None:
            while not self._over.is_set():
                try:
                    act()
                except BaseException as fault:  # noqa: BLE001 - raised by end()
                    self._faults.append(fault)
                    return

        thread = threading.Thread(target=run, daemon=True)
        self._threads.append(thread)
        thread.start()

    def end(self) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join(60)
            assert not thread.is_alive()
        for fault in self._faults:
            raise fault


def restore(world: World, version: int) -> None:
    """Publish a version equal to *version*, without any lease: the commit alone must refuse."""
    attempt = world.publications.register(
        world.collection.id, vectors=0, claim_id=None, worker="host:9"
    )
    source = world.reading.version(world.collection.id, version)
    head, _ = world.publications.base(world.collection.id, [])
    manifest = replace(
        world.store.read_manifest(source),
        version=head.version + 1,
        kind=VersionKind.RESTORE,
        attempt_id=attempt.id,
        parent_sha256=head.manifest_sha256,
    )
    file, sha256 = world.store.write_manifest(manifest)
    world.publications.commit(
        Commit(
            attempt=attempt,
            parent=head,
            manifest=manifest,
            manifest_file=file,
            manifest_sha256=sha256,
            restored=version,
        )
    )


def test_publishing_restoring_and_collecting_at_once_loses_no_file(world: World) -> None:
    """Without any grace, so that every wrong removal is seen."""
    for number in range(4):
        put(world, number)
    collection = keep_only(world, 2)
    crowd, round_, collected = Crowd(), iter(range(1_000_000)), [0]

    def publish() -> None:
        number = next(round_)
        world.add({"id": f"d{number % 7}", "text": f"text {number}"})
        with suppress(Retryable):  # the head it read expired and went: it tries again
            world.index_all()

    def go_back() -> None:
        # What a version without a lease must expect; a conflict is one of the Retryable.
        with suppress(VersionExpired, CorruptFile, Retryable, IndexError):
            restore(world, live_versions(world)[-2].version)

    def clear() -> None:
        with suppress(Busy):
            collected[0] += len(collect(keeper_of(world), collection, dry_run=False).removed)

    for act in (publish, go_back, clear, clear):
        crowd.repeat(act)
    time.sleep(4)
    crowd.end()
    world.claims.reap(worker=world.bench.worker, max_crashes=3)
    world.index_all()

    assert collected[0] > 1
    assert world.head().version > 2
    assert world.chores.damages(collection.id) == []
    check_nothing_lost(world, {})
    collect(keeper_of(world), collection, dry_run=False)
    check_nothing_lost(world, {})
    assert world.live_documents().keys() <= {f"d{number}" for number in range(7)}
