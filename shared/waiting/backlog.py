"""How much may wait: past that nothing more is accepted, until workers have caught up."""

import math
import threading

from shared.domain import Lane
from shared.errors import Overloaded
from shared.gauge import Gauge
from shared.ports import Waiting
from shared.waiting.forecast import Forecast

_RESERVE = 10
"""One part in so many is kept for the interactive lane."""
_LONGEST_SECONDS = 300
_UNKNOWN_SECONDS = 30
"""When to come back where nobody knows how fast the backlog drains."""


class Backlog:
    """How many documents wait, against how many may. For many threads.

    Counted anew only as often as that is cheap; what this process accepts meanwhile is added,
    what others accept is not. So they may pass the limit by what they take in some seconds.
    """

    def __init__(self, waiting: Waiting, forecast: Forecast, limit: int) -> None:
        """Let *limit* documents wait."""
        self._forecast = forecast
        self._limit = limit
        self._count = Gauge(lambda: self._read(waiting))
        self._lock = threading.Lock()
        self._since = 0

    def check(self, lane: Lane) -> None:
        """Refuse work of *lane* while too much waits.

        Raises:
            Overloaded: as many documents wait as may; says when to come back.
        """
        most = self._most(lane)
        waiting = self._count.value() + self._since
        if waiting < most:
            return
        seconds = self._seconds_until(waiting - most + 1)
        kept = (
            ""
            if most == self._limit
            else f"; the last of {self._limit:,} are kept for the interactive lane"
        )
        raise Overloaded(
            f"{waiting:,} documents wait and {most:,} may (LAMINA_LIMITS_BACKLOG{kept}). "
            f"Nothing was taken; try again in {seconds} s.",
            retry_after_seconds=seconds,
        )

    def grow(self, documents: int) -> None:
        """Say that so many documents were accepted."""
        with self._lock:
            self._since += documents

    def _most(self, lane: Lane) -> int:
        reserve = 0 if lane is Lane.INTERACTIVE else self._limit // _RESERVE
        return self._limit - reserve

    def _read(self, waiting: Waiting) -> int:
        with self._lock:
            self._since = 0
        # A little past the limit too, to know how far it was passed.
        return waiting.count(self._limit + self._limit // _RESERVE + 1)

    def _seconds_until(self, documents: int) -> int:
        speed = self._forecast.documents_per_second()
        if not speed:
            return _UNKNOWN_SECONDS
        return min(max(math.ceil(documents / speed), 1), _LONGEST_SECONDS)
