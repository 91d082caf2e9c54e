"""Versions that are not the newest, opened for searching and leased while they are."""

import threading
from collections import OrderedDict
from contextlib import ExitStack

import structlog

from shared.domain import Head
from shared.errors import CorruptFile, NotFound, Retryable, VersionExpired
from shared.searching.opening import (
    READER,
    STAND_IN,
    Opened,
    Stacks,
    open_version,
    quarantined,
    report_damage,
)

log = structlog.get_logger(__name__)


class OldVersions:
    """At most so many older versions, and those that stand in for damaged heads.

    A lease is taken before a version is opened, so what is open never loses its texts; leases
    that nobody renews end by themselves. For many threads.
    """

    def __init__(self, stacks: Stacks, most: int) -> None:
        """Keep *most* older versions open; the least recently searched goes first."""
        self._stacks = stacks
        self._most = most
        self._opened: OrderedDict[tuple[int, int], Opened] = OrderedDict()
        self._stand_ins: dict[int, int] = {}
        self._lock = threading.Lock()  # guards the dictionaries, never held while opening
        self._opening = threading.Lock()  # one opening, with its lease, at a time

    def get(self, collection_id: int, version: int) -> Opened:
        """Return a version, opened and leased.

        Raises:
            VersionNotFound, VersionExpired, CorruptFile, Retryable
        """
        if opened := self._known(collection_id, version):
            return opened
        with self._opening:
            return self._known(collection_id, version) or self._open(collection_id, version)

    def stand_in(self, head: Head) -> None:
        """Keep a version that is read instead of a damaged one."""
        self._stand_ins[head.collection_id] = head.version
        try:
            self._stacks.hold(head.collection_id, head.version, STAND_IN)
        except VersionExpired as error:  # it is open, which is better than nothing
            log.warning("stand_in_expired", reason=str(error))

    def stand_down(self, collection_id: int) -> None:
        """Let go of the version that was read instead of a damaged one, if there is one."""
        version = self._stand_ins.pop(collection_id, None)
        if version is not None:
            self._let_go(collection_id, version, STAND_IN)

    def renew(self) -> None:
        """Renew all leases; a version that expired all the same is opened no more.

        Raises:
            Retryable: the catalog cannot be reached.
        """
        with self._lock:
            opened, stand_ins = list(self._opened), list(self._stand_ins.items())
        for key in opened:
            try:
                self._stacks.hold(*key, READER)
            except (VersionExpired, NotFound):
                self._drop(key)
        for key in stand_ins:
            try:
                self._stacks.hold(*key, STAND_IN)
            except (VersionExpired, NotFound) as error:
                log.warning("stand_in_expired", reason=str(error))

    def drop_stale(self) -> None:
        """Forget versions that were rewritten, or found damaged, since they were opened.

        Raises:
            Retryable: the catalog cannot be reached.
        """
        with self._lock:
            opened = list(self._opened.items())
        bad = quarantined(self._stacks) if opened else frozenset()
        for key, one in opened:
            try:
                current = self._stacks.reading.version(*key)
            except (VersionExpired, NotFound):
                self._drop(key)
            else:
                if current != one.head or one.needs(bad):
                    self._drop(key)

    def close(self) -> None:
        """Let go of everything."""
        with self._lock:
            opened, stand_ins = list(self._opened), list(self._stand_ins.items())
            self._opened.clear()
            self._stand_ins.clear()
        for key in opened:
            self._let_go(*key, READER)
        for key in stand_ins:
            self._let_go(*key, STAND_IN)

    def _known(self, collection_id: int, version: int) -> Opened | None:
        key = (collection_id, version)
        with self._lock:
            if key in self._opened:
                self._opened.move_to_end(key)
            return self._opened.get(key)

    def _open(self, collection_id: int, version: int) -> Opened:
        self._stacks.hold(collection_id, version, READER)
        with ExitStack() as undo:
            undo.callback(self._let_go, collection_id, version, READER)
            head = self._stacks.reading.version(collection_id, version)
            try:
                opened = open_version(self._stacks, head)
            except CorruptFile:
                report_damage(self._stacks, head)
                raise
            undo.pop_all()
        evicted = []
        with self._lock:
            self._opened[collection_id, version] = opened
            while len(self._opened) > self._most:
                evicted.append(self._opened.popitem(last=False)[0])
        for key in evicted:
            self._let_go(*key, READER)
        return opened

    def _drop(self, key: tuple[int, int]) -> None:
        """Forget a version; its lease ends by itself, since another thread may want it again."""
        with self._lock:
            self._opened.pop(key, None)

    def _let_go(self, collection_id: int, version: int, role: str) -> None:
        try:
            self._stacks.release(collection_id, version, role)
        except Retryable as error:  # it ends by itself
            log.debug("lease_left", version=version, error=str(error))
