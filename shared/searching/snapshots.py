"""The snapshots that searches of one process read, and the thread that keeps them new.

A search takes one reference and never waits for a writer. The thread asks the catalog for one
number every few milliseconds; when it moved, it opens what changed and swaps one reference.
"""

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Container
from dataclasses import replace

import structlog

from shared.domain import Head
from shared.errors import CollectionNotFound, CorruptFile, Retryable
from shared.measures.instruments import SEARCHABLE
from shared.searching.old_versions import OldVersions
from shared.searching.opening import (
    Opened,
    Stacks,
    in_words,
    open_last_good,
    open_version,
    open_without,
    quarantined,
    report_damage,
)

__all__ = ["Opened", "Snapshots", "Stacks"]

log = structlog.get_logger(__name__)

_SLOWEST_POLL_SECONDS = 5.0
"""Also how long a damaged version is not looked at again."""


class Snapshots:
    """Newest and older versions of collections, opened for searching.

    `collections_kept` newest snapshots follow their heads; the least recently searched is
    dropped when there are more, and opened again when it is asked for. `old_kept` older ones
    stay open, each under a lease. Where the newest version is damaged, the one that was open
    before goes on being read, or else the newest that can be opened; `problem` says so.
    """

    def __init__(
        self, stacks: Stacks, *, poll_seconds: float, collections_kept: int, old_kept: int
    ) -> None:
        self._stacks = stacks
        self._poll_seconds = poll_seconds
        self._collections_kept = collections_kept
        self._old = OldVersions(stacks, old_kept)
        self._newest: OrderedDict[int, Opened] = OrderedDict()
        self._damaged: dict[int, _Damaged] = {}
        self._counter = -1
        self._renew_at = 0.0
        self._lock = threading.Lock()  # guards the dictionaries, never held while opening
        self._opening = threading.Lock()  # one refresh at a time
        self._moved = threading.Condition()
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._problem: str | None = None

    @property
    def problem(self) -> str | None:
        """Why the newest versions cannot be followed at the moment, if so."""
        return self._problem

    @property
    def lost(self) -> bool:
        """Whether the thread that follows the heads has ended, though it should not have."""
        thread = self._thread
        return thread is not None and not thread.is_alive() and not self._stop.is_set()

    def start(self) -> None:
        """Follow the heads; call it after the last fork. Does nothing the second time."""
        with self._lock:
            if self._thread is None:
                thread = threading.Thread(target=self._follow, name="snapshots", daemon=True)
                thread.start()
                self._thread = thread  # only now: one that has not begun would count as lost

    def close(self) -> None:
        """Stop following, and let go of older versions."""
        self._stop.set()
        if self._thread:
            self._thread.join()
        self._old.close()

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

        It may still be older if the head is, or if the head is damaged.
        """
        opened = self.newest(collection_id)
        return opened if opened.head.version >= version else self._refresh(collection_id)

    def at(self, collection_id: int, version: int) -> Opened:
        """Return the snapshot of exactly *version*, which does not expire while it is open.

        Raises:
            VersionNotFound, VersionExpired, CorruptFile, IndexUnavailable
        """
        newest = self.newest(collection_id)
        if newest.head.version == version:
            return newest if newest.partial else replace(newest, behind=None)
        return self._old.get(collection_id, version)

    def versions_behind(self) -> int:
        """Return by how many versions the newest snapshot that lags most is behind its head.

        Raises:
            CatalogUnavailable
        """
        heads = self._stacks.reading.heads()
        with self._lock:
            opened = {one: self._newest[one].head.version for one in self._newest if one in heads}
        # A version may have been published and opened since the heads were read.
        return max([0, *(heads[one].version - version for one, version in opened.items())])

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
                problem = self._step()
            except (Retryable, CorruptFile, CollectionNotFound) as error:
                problem = str(error)
            # Searches go on with what is open; readiness and the log say so.
            if problem and self._problem is None:
                log.warning("snapshots.stale", error=problem)
            self._problem = problem
            slower = min(_SLOWEST_POLL_SECONDS, 2 * max(pause, self._poll_seconds))
            pause = slower if problem else self._poll_seconds

    def _step(self) -> str | None:
        """Follow what moved; return why some head could not be opened, if so."""
        if time.monotonic() >= self._renew_at:
            self._old.renew()
            self._renew_at = time.monotonic() + self._stacks.lease_seconds / 3
        counter = self._stacks.reading.counter()
        if counter == self._counter:
            return None
        self._old.drop_stale()
        bad = quarantined(self._stacks)
        problem = None
        for collection_id, head in self._stacks.reading.heads().items():
            with self._lock:
                known = self._newest.get(collection_id)
                room = len(self._newest) < self._collections_kept
            if not (known or room) or (known and _is_good(known, head, bad)):
                continue
            try:
                problem = self._refresh(collection_id).behind or problem
            except CorruptFile as error:  # one damaged collection must not hold up the others
                problem = str(error)
        if problem is None:
            self._counter = counter
        return problem

    def _refresh(self, collection_id: int) -> Opened:
        """Open the head of a collection and swap it in."""
        with self._opening:
            head = self._stacks.reading.heads().get(collection_id)
            if head is None:
                raise CollectionNotFound
            with self._lock:
                known = self._newest.get(collection_id)
            if known and _is_good(known, head, quarantined(self._stacks, collection_id)):
                return known
            opened = self._open(head, known)
            with self._lock:
                self._newest[collection_id] = opened
                while len(self._newest) > self._collections_kept:
                    self._newest.popitem(last=False)
        with self._moved:
            self._moved.notify_all()
        if not opened.behind:
            for seconds in self._stacks.reading.loaded(collection_id, head.version):
                self._stacks.tally.observe(SEARCHABLE, seconds)
        return opened

    def _open(self, head: Head, known: Opened | None) -> Opened:
        """Open *head*, or say of what is open instead why it is older.

        Raises:
            CorruptFile: neither it nor any older version can be opened.
        """
        damaged = self._damaged.get(head.collection_id)
        if damaged and damaged.head == head and time.monotonic() < damaged.again_at:
            if known is None:
                raise CorruptFile(damaged.reason)
            return known
        try:
            opened = open_version(self._stacks, head)
        except CorruptFile as error:
            return self._stand_in(head, known, error)
        self._damaged.pop(head.collection_id, None)
        self._old.stand_down(head.collection_id)
        return opened

    def _stand_in(self, head: Head, known: Opened | None, error: CorruptFile) -> Opened:
        """Return what is read instead of a damaged head, or say that there is nothing.

        What was open if it is sound, or else the last good version, or else the sound part.
        """
        damages = report_damage(self._stacks, head) or self._stacks.chores.damages(
            head.collection_id
        )
        self._damaged[head.collection_id] = _Damaged(head, str(error))
        bad = quarantined(self._stacks, head.collection_id)
        sound = known if known and not (known.partial or known.needs(bad)) else None
        good = sound or open_last_good(self._stacks, head)
        if good is None:
            opened = open_without(self._stacks, head)
        else:
            self._old.stand_in(good.head)
            opened = replace(good, behind=in_words(head, damages, good.head))
        if known is None or known.behind != opened.behind:
            log.error("last_good_snapshot", collection=head.collection_id, reason=opened.behind)
        return opened


def _is_good(known: Opened, head: Head, bad: Container[str]) -> bool:
    """Whether what is open is the head, whole, and none of it has been found damaged."""
    return known.head == head and not known.partial and not known.needs(bad)


class _Damaged:
    """A head that could not be opened, and when it is worth another look."""

    def __init__(self, head: Head, reason: str) -> None:
        self.head = head
        self.reason = reason
        self.again_at = time.monotonic() + _SLOWEST_POLL_SECONDS
