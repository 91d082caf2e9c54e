"""What is counted and timed while a soak runs. For any number of threads."""

import threading
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Wait:
    """How long a change took from its acknowledgement until it was searchable."""

    began: float
    """Monotonic clock."""
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Percentiles:
    """Of waits, seconds."""

    count: int
    p50: float
    p95: float
    p99: float

    @classmethod
    def of(cls, seconds: Sequence[float]) -> "Percentiles | None":
        """Return them by the nearest rank, or None of nothing."""
        if not seconds:
            return None
        ordered = sorted(seconds)

        def rank(share: float) -> float:
            return round(ordered[min(len(ordered) - 1, int(share * len(ordered)))], 3)

        return cls(count=len(ordered), p50=rank(0.5), p95=rank(0.95), p99=rank(0.99))


class Figures:
    """Counts by name and part, waits, and sentences that say what went wrong."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counts: defaultdict[str, Counter[str]] = defaultdict(Counter)
        self._waits: list[Wait] = []
        self._faults: list[str] = []

    def count(self, name: str, part: str, number: int = 1) -> None:
        """Add *number* to a part of what is called *name*."""
        with self._lock:
            self._counts[name][part] += number

    def waited(self, began: float, seconds: float) -> None:
        """Record how long something took to be searchable."""
        with self._lock:
            self._waits.append(Wait(began, seconds))

    def fault(self, sentence: str) -> None:
        """Record that an invariant was broken while the soak ran."""
        with self._lock:
            self._faults.append(sentence)

    def counts(self, name: str) -> Mapping[str, int]:
        """Return all parts of a name."""
        with self._lock:
            return dict(self._counts[name])

    def total(self, name: str) -> int:
        """Return the sum of all parts of a name."""
        return sum(self.counts(name).values())

    @property
    def waits(self) -> Sequence[Wait]:
        with self._lock:
            return tuple(self._waits)

    @property
    def faults(self) -> Sequence[str]:
        with self._lock:
            return tuple(self._faults)
