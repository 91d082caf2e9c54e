"""When searches failed, for how long, and which injected fault explains it."""

import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

AFTERMATH_SECONDS = 3.0
"""After a fault was mended, failures that it still explains: connections that were cut, a pool
that notices."""
LONGEST_TAIL_SECONDS = 15.0
"""After that, searches must work again."""


@dataclass(slots=True, kw_only=True)
class Injection:
    """A fault that was injected, from its first moment to when what it hit worked again."""

    kind: str
    began: float
    """Monotonic clock, like all times here."""
    hurts_searches: bool
    """Whether searches cannot work meanwhile: no web process, or no catalog."""
    detail: str = ""
    ended: float | None = None

    def since(self, moment: float) -> "Injection":
        """Return it with times in seconds since *moment*."""
        ended = None if self.ended is None else self.ended - moment
        return replace(self, began=self.began - moment, ended=ended)

    def covers(self, began: float, ended: float) -> bool:
        """Whether it was at work, or just mended, between two moments."""
        end = float("inf") if self.ended is None else self.ended + AFTERMATH_SECONDS
        return self.began <= ended and began <= end


class Injections:
    """Every fault of a run. One thread injects, others ask."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._all: list[Injection] = []

    @contextmanager
    def during(self, kind: str, *, hurts_searches: bool) -> Iterator[Injection]:
        """Record the fault that the block injects and mends."""
        one = Injection(kind=kind, began=time.monotonic(), hurts_searches=hurts_searches)
        with self._lock:
            self._all.append(one)
        try:
            yield one
        finally:
            one.ended = time.monotonic()

    @property
    def all(self) -> Sequence[Injection]:
        """Every one so far, oldest first."""
        with self._lock:
            return tuple(self._all)

    def any_between(self, began: float, ended: float) -> bool:
        """Whether any fault was at work between two moments."""
        return any(one.covers(began, ended) for one in self.all)


@dataclass(frozen=True, slots=True, kw_only=True)
class Outage:
    """A time in which searches failed."""

    began: float
    """When the first search that failed was sent."""
    noticed: float
    """When it failed."""
    ended: float
    """When the first one that worked again was answered."""
    failures: int
    reason: str
    """What the first failure said."""
    cause: str | None = None
    """The injection that explains it, or None."""

    @property
    def seconds(self) -> float:
        return self.ended - self.began


@dataclass(slots=True)
class Outages:
    """The outages that one searcher saw. For one thread, and after it for whoever reads."""

    _open: Outage | None = None
    seen: list[Outage] = field(default_factory=list)

    def failed(self, sent: float, reason: str) -> None:
        """Record a search that was sent then and has failed now."""
        now = time.monotonic()
        if self._open is None:
            self._open = Outage(began=sent, noticed=now, ended=now, failures=0, reason=reason)
        self._open = replace(self._open, ended=now, failures=self._open.failures + 1)

    def worked(self, moment: float) -> None:
        """Record that searches worked at a moment, which was after the last failure."""
        if self._open is not None:
            self.seen.append(replace(self._open, ended=moment))
            self._open = None

    def close(self) -> None:
        """Say that nobody searches any more: what is open ends with its last failure."""
        if self._open is not None:
            self.seen.append(self._open)
            self._open = None


def explain(outages: Sequence[Outage], injections: Sequence[Injection]) -> list[Outage]:
    """Return outages that overlap as one, oldest first, each with the fault that explains it.

    A fault explains an outage that was noticed while searches could not work or right after, and
    that ended in time: what lasts longer is a fault of the product, and so is one without a cause.
    """
    return [replace(one, cause=_cause(one, injections)) for one in _merged(outages)]


def _merged(outages: Sequence[Outage]) -> list[Outage]:
    merged: list[Outage] = []
    for one in sorted(outages, key=lambda outage: outage.began):
        last = merged[-1] if merged else None
        if last is not None and one.began <= last.ended:
            merged[-1] = replace(
                last,
                noticed=min(last.noticed, one.noticed),
                ended=max(last.ended, one.ended),
                failures=last.failures + one.failures,
            )
        else:
            merged.append(one)
    return merged


def _cause(outage: Outage, injections: Sequence[Injection]) -> str | None:
    harmful = [
        one for one in injections if one.hurts_searches and one.covers(outage.began, outage.ended)
    ]
    # Not when it began: a search that was sent before the fault may have failed by it.
    if not any(one.covers(outage.noticed, outage.noticed) for one in harmful):
        return None
    ends = [float("inf") if one.ended is None else one.ended for one in harmful]
    if outage.ended > max(ends) + LONGEST_TAIL_SECONDS:
        return None
    return ", ".join(dict.fromkeys(one.kind for one in harmful))
