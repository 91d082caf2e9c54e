"""Counts of one process, and how they reach the catalog.

Every process adds what it counted to the catalog every few seconds. So the sums stay when a process
dies (all but its last seconds), belong to no host or container, and any web process can tell them.
"""

import threading
from bisect import bisect_left
from collections.abc import Mapping

from shared.domain import Series
from shared.errors import CommitUnknown, Retryable
from shared.measures.instruments import Instrument
from shared.ports import Measures

BORDER = "le"
SUM = "_sum"
BUCKET = "_bucket"


class Tally:
    """What was counted and not handed over yet. For many threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counts: dict[Series, float] = {}

    def add(self, counter: Instrument, amount: float = 1, **labels: str) -> None:
        """Count *amount* more."""
        self._add({Series(counter.name, _sorted(labels)): amount})

    def observe(self, histogram: Instrument, value: float, **labels: str) -> None:
        """Count one more *value*.

        A bucket holds what is above the border before it: adding to one touches no other.
        """
        place = bisect_left(histogram.buckets, value)
        border = str(histogram.buckets[place]) if place < len(histogram.buckets) else "+Inf"
        bucket = _sorted(labels | {BORDER: border})
        self._add(
            {
                Series(histogram.name + BUCKET, bucket): 1,
                Series(histogram.name + SUM, _sorted(labels)): value,
            }
        )

    def take(self) -> Mapping[Series, float]:
        """Return what was counted, and begin anew."""
        with self._lock:
            counts, self._counts = self._counts, {}
        return counts

    def give_back(self, counts: Mapping[Series, float]) -> None:
        """Count again what could not be handed over."""
        self._add(counts)

    def _add(self, counts: Mapping[Series, float]) -> None:
        with self._lock:
            for series, amount in counts.items():
                self._counts[series] = self._counts.get(series, 0.0) + amount


class Level:
    """How many are at something just now. For many threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.now = 0

    def __enter__(self) -> None:
        """One more."""
        with self._lock:
            self.now += 1

    def __exit__(self, *_: object) -> None:
        """One less."""
        with self._lock:
            self.now -= 1


def hand_over(measures: Measures, tally: Tally) -> None:
    """Add what was counted since the last time to the sums; nothing is ever added twice.

    Raises:
        Retryable: the catalog is away; what was counted waits for the next time.
    """
    counts = tally.take()
    if not counts:
        return
    try:
        measures.add(counts)
    except CommitUnknown:  # perhaps it is there: rather too little than twice
        raise
    except Retryable:
        tally.give_back(counts)
        raise


def _sorted(labels: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    return tuple(sorted(labels.items()))
