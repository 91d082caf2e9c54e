"""The snapshots that searches of one process read, and the thread that keeps them new.

A search takes one reference and never waits for a writer. The thread asks the catalog for one
number every few milliseconds; when it moved, it opens what changed and swaps one reference.
"""

import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

import structlog

from shared.domain import Head
from shared.errors import CollectionNotFound, CorruptFile, Retryable
from shared.ports import Collections, IndexStore, Reading, Snapshot
from shared.publishing import read_manifest

log = structlog.get_logger(__name__)

_SLOWEST_POLL_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Opened:
    """A snapshot and when its version was published."""

    head: Head
    snapshot: Snapshot


class Snapshots:
    """Newest and older versions of collections, opened for searching.

    `collections_kept` newest snapshots follow their heads; the least recently searched is
    dropped when there are more, and opened again when it is asked for.
    """

    def __init__(
        self,
        reading: Reading,
        collections: Collections,
        store: IndexStore,
        *,
        poll_seconds: float,
        collections_kept: int,
        old_kept: int,
    ) -> None:
        self._reading = reading
        self._collections = collections
        self._store = store
        self._poll_seconds = poll_seconds
        self._collections_kept = collections_kept
        self._old_kept = old_kept
        self._newest: OrderedDict[int, Opened] = OrderedDict()
        self._old: OrderedDict[tuple[int, int], Opened] = OrderedDict()
        self._counter = -1
        self._lock = threading.Lock()  # guards the two dictionaries, never held while opening
        self._opening = threading.Lock()  # one refresh at a time
        self._moved = threading.Condition()
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._problem: str | None = None

    @property
    def problem(self) -> str | None:
        """Why the newest versions cannot be followed at the moment, if so."""
        return self._problem

    def start(self) -> None:
        """Follow the heads; call it after the last fork. Does nothing the second time."""
        with self._lock:
            if self._thread is None:
                self._thread = threading.Thread(target=self._follow, name="snapshots", daemon=True)
                self._thread.start()

    def close(self) -> None:
        """Stop following."""
        self._stop.set()
        if self._thread:
            self._thread.join()

    def newest(self, collection_id: int) -> Opened:
        """Return the newest snapshot that this process has, opening the head the first time.

        Raises:
            CollectionNotFound, CorruptFile, IndexUnavailable, CatalogUnavailable
        """
        self.start()
        with self._lock:
            if opened := self._newest.get(collection_id):
                self._newest.move_to_end(collection_id)
                return opened
        return self._refresh(collection_id)

    def at_least(self, collection_id: int, version: int) -> Opened:
        """Return a snapshot not older than *version*, reading the head now if need be.

        It may still be older if the head is.
        """
        opened = self.newest(collection_id)
        return opened if opened.head.version >= version else self._refresh(collection_id)

    def at(self, collection_id: int, version: int) -> Opened:
        """Return the snapshot of exactly *version*.

        Raises:
            VersionNotFound, VersionExpired, CorruptFile, IndexUnavailable
        """
        newest = self.newest(collection_id)
        if newest.head.version == version:
            return newest
        key = (collection_id, version)
        with self._lock:
            if opened := self._old.get(key):
                self._old.move_to_end(key)
                return opened
        opened = self._open(self._reading.version(collection_id, version))
        with self._lock:
            self._old[key] = opened
            while len(self._old) > self._old_kept:
                self._old.popitem(last=False)
        return opened

    def wait(self, ready: Callable[[], bool], seconds: float) -> bool:
        """Wait until *ready*, asked again at each new version, or for *seconds* at most."""
        deadline = time.monotonic() + seconds
        while not ready():
            left = deadline - time.monotonic()
            if left <= 0:
                return False
            with self._moved:
                self._moved.wait(min(left, max(self._poll_seconds, 0.02)))
        return True

    def _follow(self) -> None:
        pause = self._poll_seconds
        while not self._stop.wait(pause):
            try:
                self._step()
            except (Retryable, CorruptFile, CollectionNotFound) as error:
                # Searches go on with what is open; readiness and the log say so.
                if self._problem is None:
                    log.warning("snapshots.stale", error=str(error))
                self._problem = str(error)
                pause = min(_SLOWEST_POLL_SECONDS, 2 * max(pause, self._poll_seconds))
            else:
                self._problem, pause = None, self._poll_seconds

    def _step(self) -> None:
        counter = self._reading.counter()
        if counter == self._counter:
            return
        failed: CorruptFile | None = None
        for collection_id, head in self._reading.heads().items():
            with self._lock:
                known = self._newest.get(collection_id)
                room = len(self._newest) < self._collections_kept
            if (known and known.head == head) or not (known or room):
                continue
            try:
                self._refresh(collection_id)
            except CorruptFile as error:  # one damaged collection must not hold up the others
                failed = error
        if failed:
            raise failed
        self._counter = counter

    def _refresh(self, collection_id: int) -> Opened:
        """Open the head of a collection and swap it in."""
        with self._opening:
            head = self._reading.heads().get(collection_id)
            if head is None:
                raise CollectionNotFound
            with self._lock:
                known = self._newest.get(collection_id)
            if known and known.head == head:
                return known
            opened = self._open(head)
            with self._lock:
                self._newest[collection_id] = opened
                while len(self._newest) > self._collections_kept:
                    self._newest.popitem(last=False)
        with self._moved:
            self._moved.notify_all()
        self._reading.loaded(collection_id, head.version)
        return opened

    def _open(self, head: Head) -> Opened:
        collection = self._collections.by_id(head.collection_id)
        return Opened(head, self._store.open(read_manifest(self._store, head, collection)))
