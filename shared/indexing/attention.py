"""Since when the encoder has been busy with one thing: what a watchdog looks at."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from time import monotonic


@dataclass(frozen=True, slots=True)
class Mark:
    """One thing that the encoder does: it cuts a document, or makes one pass."""

    claim_id: int
    what: str
    since: float
    """Monotonic clock, seconds."""


class Attention:
    """Where the thread that encodes puts its marks, and another thread finds them.

    Only what the encoder itself does is marked: waiting for the catalog, the disk or the broker
    is no document's fault. A mark is replaced whole, so no lock is needed.
    """

    def __init__(self) -> None:
        self._mark: Mark | None = None

    @property
    def mark(self) -> Mark | None:
        """What the encoder is doing; None while it does nothing."""
        return self._mark

    @contextmanager
    def on(self, claim_id: int, what: str) -> Iterator[None]:
        """Mark that the encoder begins this; when the block ends it has done it."""
        before, self._mark = self._mark, Mark(claim_id, what, monotonic())
        try:
            yield
        finally:
            self._mark = before

    @contextmanager
    def off(self) -> Iterator[None]:
        """Let the encoder rest for the block; after it, what it was doing begins anew."""
        before, self._mark = self._mark, None
        try:
            yield
        finally:
            self._mark = before and Mark(before.claim_id, before.what, monotonic())
