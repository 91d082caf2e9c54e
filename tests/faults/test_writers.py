"""Sixteen writers at once, writers that were taken for dead, and COMMITs whose reply is lost."""

import json
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import replace
from functools import partial
from itertools import cycle
from pathlib import Path
from typing import Any

import pytest

from shared.catalog import Database, SqlPublications
from shared.domain import (
    Attempt,
    Commit,
    Head,
    Ids,
    IndexRule,
    Manifest,
    Metric,
    Policy,
    RetentionRule,
    Rewriting,
    Segment,
    Vectors,
    VersionKind,
)
from shared.errors import (
    Busy,
    CatalogUnavailable,
    CommitUnknown,
    CorruptFile,
    Fenced,
    Retryable,
    VersionExpired,
)
from shared.index import FolderIndexStore
from shared.indexing.turns import index_claim, index_next
from shared.trust.purging import purge
from shared.trust.repairing import repair
from shared.upkeep.garbage import collect
from shared.upkeep.merging import merge_next, relay_next
from shared.versions.restoring import restore
from tests.faults.crowd import Acknowledged, Crowd, finish, write
from tests.faults.ledgers import check_nothing_lost
from tests.faults.machine import CHUNKING, SMALL, book
from tests.keeping import database_of, keeper_of, live_versions
from tests.postgres import Postgres
from tests.shelves import shelf_of
from tests.trust import examine, flip, purger_of, repairer_of, segment_folder
from tests.worlds import World

ROOT = Path(__file__).resolve().parents[2]
BOTH = ["sqlite", pytest.param("postgresql", marks=pytest.mark.slow)]
STEPS = 4
"""Turns of each writer: two or three submissions, and as many claims."""


@pytest.fixture
def world(tmp_path: Path, database_url: str) -> Iterator[World]:
    """A world on each database, since what decides must hold on both."""
    with World.open(tmp_path, database_url=database_url, chunking=CHUNKING, merge=SMALL) as opened:
        yield opened


# --- all at once --------------------------------------------------------------------------------


def tend(crowd: Crowd, world: World) -> list[int]:
    """Merge, re-lay, restore and collect garbage for as long as the crowd writes.

    Returns:
        how many versions were merged, laid out anew, restored, and let go so far.
    """
    rules = cycle(IndexRule(policy=one, recall_target=0.6) for one in (Policy.HNSW, Policy.FLAT))
    dice, done = random.Random(1), [0, 0, 0, 0]
    world.collections.configure("c", retention=RetentionRule(versions=20, days=0))
    # What upkeep may meet while all others are at it; it comes again in a moment.
    passing = (Retryable, Fenced, CorruptFile)

    def merge() -> None:
        with suppress(*passing):
            done[0] += merge_next(world.upkeep(worker="host:merger"))

    def relay() -> None:
        world.collections.configure("c", index=next(rules))
        with suppress(*passing):
            done[1] += relay_next(world.upkeep(worker="host:relayer"))

    def go_back() -> None:
        kept = live_versions(world)
        if len(kept) > 3:
            shelf = shelf_of(world)
            with suppress(Retryable, VersionExpired):
                source = dice.choice(kept[-6:]).version
                head = restore(shelf, "c", str(source)).head
                world.versions.tag(world.collection.id, head.version, f"restored-{head.version}")
                done[2] += 1

    def clear() -> None:
        with suppress(Busy, Retryable, Fenced):
            garbage = collect(keeper_of(world), world.collections.get("c"), dry_run=False)
            done[3] += len(garbage.expired)

    crowd.repeat(merge, "merger")
    crowd.repeat(merge, "second merger")
    crowd.repeat(relay, "re-layer", pause=0.3)
    crowd.repeat(go_back, "restorer", pause=0.7)
    crowd.repeat(clear, "collector", pause=0.1)
    return done


def begin(world: World) -> list[Acknowledged]:
    """Index a book, so that there is something to lay out; return what was acknowledged."""
    text = book(1).text
    receipt = world.add({"id": "book", "text": text})
    world.index_all()
    return [Acknowledged(receipt.job_id, "book", text)]


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("database_url", BOTH, indirect=True)
def test_what_sixteen_writers_in_threads_were_told_is_there(world: World) -> None:
    said, names = begin(world), [f"writer-{number}" for number in range(16)]

    with Crowd() as crowd:
        done = tend(crowd, world)
        for name in names:
            crowd.do(partial(write, world, name, steps=STEPS, acknowledge=said.append), name)
    finish(world, names)

    check_nothing_lost(world, said)
    assert len(said) > 16 * STEPS * 2
    assert all(done), f"merged, re-laid, restored, let go: {done}"


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("database_url", BOTH, indirect=True)
def test_what_sixteen_writers_in_four_processes_were_told_is_there(
    world: World, database_url: str
) -> None:
    said = begin(world)
    names = [f"process-{number}" for number in range(4)]

    def run(name: str) -> None:
        child = start_child(world, database_url, name, STEPS)
        out, err = child.communicate(timeout=400)
        assert child.returncode == 0, err.decode()
        said.extend(Acknowledged(**json.loads(line)) for line in out.splitlines())

    with Crowd() as crowd:
        done = tend(crowd, world)
        for name in names:
            crowd.do(partial(run, name), name)
    finish(world, [f"{name}.{number}" for name in names for number in range(4)])

    check_nothing_lost(world, said)
    assert len(said) > 16 * STEPS * 2
    assert all(done), f"merged, re-laid, restored, let go: {done}"


def start_child(world: World, url: str, name: str, steps: int) -> subprocess.Popen[bytes]:
    """Start a process of writers."""
    command = [sys.executable, "-m", "tests.faults.writer_child"]
    return subprocess.Popen(
        [*command, str(world.folder), url, name, str(steps)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


# --- taken for dead -----------------------------------------------------------------------------


class Standing(FolderIndexStore):
    """An index store in which something happens once, after a segment or a manifest is written."""

    def __init__(self, root: Path, after: str, happens: Callable[[], None]) -> None:
        super().__init__(root)
        self._events = {after: happens}

    def write_segment(
        self, attempt: Attempt, *, space_id: int, metric: Metric, ids: Ids, vectors: Vectors
    ) -> Segment:
        segment = super().write_segment(
            attempt, space_id=space_id, metric=metric, ids=ids, vectors=vectors
        )
        self._events.pop("segment", lambda: None)()
        return segment

    def write_manifest(self, manifest: Manifest) -> tuple[str, str]:
        written = super().write_manifest(manifest)
        self._events.pop("manifest", lambda: None)()
        return written


def take_over(world: World, worker: str) -> Head:
    """Take the claims of *worker* away, remove its files, and let another one do its work."""
    assert world.claims.reap(worker=worker, max_crashes=10) == 1
    assert collect(keeper_of(world), world.collection, dry_run=False).removed
    assert index_next(replace(world.bench, worker="host:another"))
    return world.head()


@pytest.mark.parametrize("others_work", [True, False], ids=["done by another", "waits again"])
@pytest.mark.parametrize("after", ["segment", "manifest"])
def test_a_writer_past_its_fence_changes_nothing(
    world: World, after: str, *, others_work: bool
) -> None:
    said = submit_texts(world, a="first a", b="first b")
    world.index_all()
    said += submit_texts(world, a="second a", c="first c")
    heads: list[Head] = []

    def stand_still() -> None:
        if others_work:
            heads.append(take_over(world, "host:1"))
        else:
            assert world.claims.reap(worker="host:1", max_crashes=10) == 1
            assert collect(keeper_of(world), world.collection, dry_run=False).removed
            heads.append(world.head())

    store = Standing(world.folder / "index", after, stand_still)
    record = index_claim(replace(world.bench, store=store), world.claim())

    assert record.closed_by == "fenced"
    assert world.head() == heads[0], "[fence] a writer whose claim was taken away published"
    world.index_all()
    assert world.live_documents() == {"a": 1, "b": 1, "c": 1}, "[fence] lost, or twice"
    check_nothing_lost(world, said)
    assert sorted(world.texts_at(world.head().version)) == ["first b", "first c", "second a"]


def test_a_process_that_stood_still_past_its_fence_changes_nothing(
    world: World, database_url: str
) -> None:
    """A real one, stopped by a signal while its claim is reaped and its files are removed."""
    world.add({"id": "a", "text": "first"})
    child = start_child(world, database_url, "host:paused", 0)
    wait_until_stopped(child)

    head = take_over(world, "host:paused")
    child.send_signal(signal.SIGCONT)
    out, err = child.communicate(timeout=60)

    assert out.decode().split()[-1] == "fenced", err.decode()
    assert world.head() == head, "[fence] a process whose claim was taken away published"
    assert world.live_documents() == {"a": 1}


def wait_until_stopped(child: subprocess.Popen[bytes]) -> None:
    """Wait until a child has stopped itself."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        status = Path(f"/proc/{child.pid}/stat").read_text().rpartition(")")[2].split()[0]
        if status == "T":
            return
        assert child.poll() is None, child.communicate()
        time.sleep(0.02)
    raise TimeoutError("The child does not stop.")


# --- a lost COMMIT reply ------------------------------------------------------------------------


@contextmanager
def reply_lost(
    database: Database, disconnect: Callable[[], object] | None, *, committed: bool
) -> Iterator[None]:
    """Lose the connection before or after the next COMMIT of this thread.

    On PostgreSQL the server ends the connection, and the driver finds out by itself. SQLite has
    no connection to lose: there, what the driver would say is said for it.
    """
    dialect: Any = database._engines().write.dialect
    honest, thread, left = dialect.do_commit, threading.get_ident(), [1]

    def do_commit(connection: Any) -> None:
        if threading.get_ident() != thread or not left:
            honest(connection)
            return
        left.pop()
        if committed:
            honest(connection)
        elif disconnect is None:
            dialect.do_rollback(connection)
        if disconnect is None:
            raise CommitUnknown("The connection was lost.")
        disconnect()
        connection.execute("SELECT 1")  # whatever it says next, the server is gone

    dialect.do_commit = do_commit
    try:
        yield
    finally:
        del dialect.do_commit
    assert not left, "no COMMIT was lost"


class Unlucky(SqlPublications):
    """Publications whose first commit or rewrite loses its connection during COMMIT."""

    def __init__(
        self, world: World, disconnect: Callable[[], object] | None, *, committed: bool
    ) -> None:
        super().__init__(database_of(world))
        self.tries = 0
        self._disconnect = disconnect
        self._committed = committed

    def commit(self, commit: Commit) -> Head:
        self.tries += 1
        if self.tries > 1:
            return super().commit(commit)
        with self._lost():
            return super().commit(commit)

    def rewrite(self, rewriting: Rewriting) -> None:
        self.tries += 1
        if self.tries > 1:
            super().rewrite(rewriting)
            return
        with self._lost():
            super().rewrite(rewriting)

    def _lost(self) -> AbstractContextManager[None]:
        return reply_lost(self._database, self._disconnect, committed=self._committed)


class Late(SqlPublications):
    """Publications whose first commit is lost, and comes through after it was asked about."""

    def __init__(self, world: World) -> None:
        super().__init__(database_of(world))
        self._late: list[Commit] = []
        self._commits = 0

    def commit(self, commit: Commit) -> Head:
        self._commits += 1
        if self._commits > 1:
            return super().commit(commit)
        self._late.append(commit)
        raise CommitUnknown("The connection was lost.")

    def outcome(self, attempt_id: str) -> Head | None:
        found = super().outcome(attempt_id)
        while self._late:
            super().commit(self._late.pop())
        return found


class Away(Unlucky):
    """A catalog that is away for a moment after it lost a connection, as in a fail-over."""

    asked = 0

    def outcome(self, attempt_id: str) -> Head | None:
        self.asked += 1
        if self.asked < 3:
            raise CatalogUnavailable("The server is starting up.")
        return super().outcome(attempt_id)


@pytest.fixture(params=[True, False], ids=["committed", "not committed"])
def unlucky(world: World, database_url: str, request: pytest.FixtureRequest) -> Unlucky:
    """Publications that lose the reply to one COMMIT, which the server did or did not do."""
    disconnect = None
    if not database_of(world).sqlite:
        postgres: Postgres = request.getfixturevalue("postgres")
        disconnect = lambda: postgres.disconnect(database_url)  # noqa: E731
    return Unlucky(world, disconnect, committed=request.param)


def expected_tries(unlucky: Unlucky) -> int:
    """Return how often it must be tried: again just if the server did not do it."""
    return 1 if unlucky._committed else 2


def live_a_little(world: World) -> list[Acknowledged]:
    """Version 1 holds a and b; in version 2, a is changed and c is new."""
    said = submit_texts(world, a="first a", b="first b")
    world.index_all()
    said += submit_texts(world, a="second a", c="first c")
    world.index_all()
    return said


def submit_texts(world: World, **texts: str) -> list[Acknowledged]:
    """Submit documents; return what was acknowledged."""
    job = world.add(*({"id": name, "text": text} for name, text in texts.items())).job_id
    return [Acknowledged(job, name, text) for name, text in texts.items()]


def test_documents_whose_commit_reply_was_lost_are_published_once(
    world: World, unlucky: Unlucky
) -> None:
    said = live_a_little(world) + submit_texts(world, a="third a", d="first d")

    record = index_claim(replace(world.bench, publications=unlucky), world.claim())

    assert record.closed_by != "fenced", "[unknown] what was committed is taken for lost"
    assert unlucky.tries == expected_tries(unlucky), "[unknown] tried as if it had asked nobody"
    assert world.head().version == 3, "[unknown] published twice, or not at all"
    assert world.live_documents() == {"a": 1, "b": 1, "c": 1, "d": 1}
    world.index_all()
    check_nothing_lost(world, said)
    assert world.head().version == 3, "[unknown] it was done again"


def test_a_merge_whose_commit_reply_was_lost_is_published_once(
    world: World, unlucky: Unlucky
) -> None:
    live_a_little(world)

    assert merge_next(replace(world.upkeep(), publications=unlucky))

    assert unlucky.tries == expected_tries(unlucky)
    assert (world.head().version, world.manifest().kind) == (3, VersionKind.MERGE)
    assert world.segments() == 1
    assert world.live_documents() == {"a": 1, "b": 1, "c": 1}


def test_a_restore_whose_commit_reply_was_lost_is_published_once(
    world: World, unlucky: Unlucky
) -> None:
    live_a_little(world)

    done = restore(replace(shelf_of(world), publications=unlucky), "c", "1")

    assert unlucky.tries == expected_tries(unlucky)
    assert done.head == world.head()
    assert world.head().version == 3, "[unknown] restored twice, or not at all"
    assert sorted(world.texts_at(3)) == ["first a", "first b"]


def test_a_purge_whose_commit_reply_was_lost_is_done_once(world: World, unlucky: Unlucky) -> None:
    live_a_little(world)

    report = purge(replace(purger_of(world), publications=unlucky), "c", "a")

    assert unlucky.tries == expected_tries(unlucky)
    assert report.versions == (1, 2)
    assert world.texts_at(1) == ["first b"]
    assert sorted(world.texts_at(2)) == ["first b", "first c"]


def test_a_repair_whose_commit_reply_was_lost_is_done_once(world: World, unlucky: Unlucky) -> None:
    live_a_little(world)
    (first, _) = world.manifest().segments
    flip(segment_folder(world, first.id) / "data.faiss")
    damages = examine(world, sample=0).damages

    report = repair(replace(repairer_of(world), publications=unlucky), world.collection, damages)

    assert unlucky.tries == expected_tries(unlucky)
    assert (report.versions, report.lost) == ((1, 2), ())
    assert examine(world).findings == ()
    assert sorted(world.texts_at(1)) == ["first a", "first b"]


def test_a_catalog_that_is_away_after_a_lost_reply_is_asked_again(world: World) -> None:
    live_a_little(world)
    away = Away(world, None, committed=True)

    done = restore(replace(shelf_of(world), publications=away), "c", "1")

    assert (done.head, away.asked, away.tries) == (world.head(), 3, 1)
    assert world.head().version == 3, "[unknown] restored twice"


def test_a_restore_whose_commit_comes_through_late_is_published_once(world: World) -> None:
    """Asked about too early, the catalog does not know it yet."""
    live_a_little(world)

    done = restore(replace(shelf_of(world), publications=Late(world)), "c", "1")

    assert done.head == world.head()
    assert world.head().version == 3, "[unknown] restored twice"


def test_documents_whose_commit_comes_through_late_are_published_once(world: World) -> None:
    said = live_a_little(world) + submit_texts(world, a="third a")

    record = index_claim(replace(world.bench, publications=Late(world)), world.claim())

    assert record.closed_by != "fenced"
    world.index_all()
    assert world.head().version == 3, "[unknown] it was done again"
    check_nothing_lost(world, said)
    assert world.live_documents() == {"a": 1, "b": 1, "c": 1}
