"""Low disk: refuse work before it fails."""

import threading
import time
from collections.abc import Sequence

from shared.domain import Receipt, ReceiptEntry, Rejection, RevisionKind, Submission
from shared.errors import OutOfSpace
from shared.ports import Inbox, IndexFiles

_CACHED_SECONDS = 1.0


class Room:
    """How much disk is left for new work, asked at most once a second. For many threads."""

    def __init__(self, files: IndexFiles, floor_bytes: int) -> None:
        """Keep *floor_bytes* free where *files* are."""
        self._files = files
        self._floor = floor_bytes
        self._lock = threading.Lock()
        self._asked_at = float("-inf")
        self._free: int | None = None

    def check(self, needed: int = 0) -> None:
        """Refuse work that would leave less than the floor.

        Args:
            needed: bytes that the work will write.

        Raises:
            OutOfSpace: too little is free.
        """
        free = self._free_bytes()
        if free is None or free >= self._floor + needed:
            return
        wanted = f" beside the {_gb(needed)} that this needs" if needed else ""
        raise OutOfSpace(
            f"{_gb(free)} are free, {_gb(self._floor)} must stay free{wanted} "
            "(LAMINA_STORAGE_MIN_FREE_BYTES)."
        )

    def fits(self, needed: int = 0) -> bool:
        """Whether `check` would let this pass."""
        free = self._free_bytes()
        return free is None or free >= self._floor + needed

    def _free_bytes(self) -> int | None:
        with self._lock:
            if time.monotonic() - self._asked_at >= _CACHED_SECONDS:
                self._free = self._files.free_bytes()
                self._asked_at = time.monotonic()
            return self._free


class GuardedInbox:
    """An inbox that refuses new documents while the disk is nearly full."""

    def __init__(self, inbox: Inbox, room: Room) -> None:
        self._inbox = inbox
        self._room = room

    def accept(self, submission: Submission, *, hold_seconds: float = 0.0) -> Receipt:
        """Accept *submission* if there is room; one that only deletes always is.

        Raises:
            OutOfSpace: too little disk is left; nothing was changed.
            CollectionNotFound, KeyReused, DocumentNotFound: as the inbox says.
        """
        if any(document.kind is RevisionKind.PUT for document in submission.documents):
            self._room.check()
        return self._inbox.accept(submission, hold_seconds=hold_seconds)

    def take(self, letters: Sequence[Submission | Rejection]) -> Sequence[Receipt | Rejection]:
        """Store letters that are off the queue already: who takes them looks for room first."""
        return self._inbox.take(letters)

    def receipts(self, key: str) -> Sequence[ReceiptEntry]:
        """Return what became of the messages with this key, newest first; empty if none."""
        return self._inbox.receipts(key)


def _gb(count: int) -> str:
    return f"{count / 1e9:.1f} GB"
