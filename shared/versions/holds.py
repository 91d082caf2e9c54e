"""Keep versions from expiring while a long reader works on them."""

import threading
from types import TracebackType
from typing import Self

from shared.heartbeat import Heartbeat
from shared.ports import Versions


class Holds:
    """Leases of versions, from `with` to its end, renewed every third of their time.

    A process that dies leaves leases that run out.
    """

    def __init__(self, versions: Versions, holder: str, seconds: float) -> None:
        self._versions = versions
        self._holder = holder
        self._seconds = seconds
        self._held: set[tuple[int, int]] = set()
        self._lock = threading.Lock()  # guards the set, which two threads use
        self._heartbeat = Heartbeat(self._renew, seconds / 3, name=f"versions of {holder}")

    def __enter__(self) -> Self:
        self._heartbeat.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._heartbeat.stop()
        for collection_id, version in self._held:
            self._versions.release(collection_id, version, self._holder)

    def take(self, collection_id: int, version: int) -> None:
        """Hold a version; again is harmless. Version 0 has no files and needs no lease.

        Raises:
            VersionNotFound, VersionExpired
        """
        wanted = collection_id, version
        if not version or wanted in self._held:
            return
        self._versions.hold(collection_id, version, self._holder, self._seconds)
        with self._lock:
            self._held.add(wanted)

    def check(self) -> None:
        """Raise if a version expired although it was held.

        Raises:
            VersionExpired, VersionNotFound
        """
        if self._heartbeat.lost:
            raise self._heartbeat.lost

    def _renew(self) -> None:
        with self._lock:
            held = tuple(self._held)
        for collection_id, version in held:
            self._versions.hold(collection_id, version, self._holder, self._seconds)
