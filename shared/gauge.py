"""A number that is costly to read, read no more often than it is worth."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

T = TypeVar("T")

_LEAST_SECONDS = 1.0
_SHARE = 0.05
"""Of one core's time, what reading again and again may take."""


@dataclass(frozen=True, slots=True)
class _Reading(Generic[T]):
    value: T
    begun_at: float
    good_until: float


class Gauge(Generic[T]):
    """A reading, kept for a second and for twenty times as long as it took. For many threads."""

    def __init__(
        self, read: Callable[[], T], *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """Read by calling *read*."""
        self._read = read
        self._clock = clock
        self._lock = threading.Lock()
        self._kept: _Reading[T] | None = None

    def value(self) -> T:
        """Return the newest reading; whoever comes while another reads has the one before."""
        return self.reading()[0]

    def reading(self) -> tuple[T, float]:
        """Return the newest reading and how many seconds ago it was begun."""
        kept = self._kept or self._first()
        if self._clock() >= kept.good_until and self._lock.acquire(blocking=False):
            try:
                kept = self._take()
            finally:
                self._lock.release()
        return kept.value, self._clock() - kept.begun_at

    def forget(self) -> None:
        """Read anew next time."""
        self._kept = None

    def _first(self) -> _Reading[T]:
        with self._lock:
            return self._kept or self._take()

    def _take(self) -> _Reading[T]:
        begun = self._clock()
        value = self._read()
        ended = self._clock()
        keep = max(_LEAST_SECONDS, (ended - begun) / _SHARE)
        self._kept = _Reading(value, begun, ended + keep)
        return self._kept
