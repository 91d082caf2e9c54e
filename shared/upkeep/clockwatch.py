"""Whether leases may be judged by the catalog's clock just now.

That clock is a wall clock, which somebody may put right. Put forward, it ends every lease at once,
those of living processes too; the same happens while the catalog is away, since nobody can renew
a lease then. So after either, whoever takes leases away waits for as long as one lasts: the living
renew theirs meanwhile. Whatever happens, nothing is lost or done twice: a commit under a lease
that was taken away is refused.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass

import structlog

from shared.errors import Retryable
from shared.ports import Roster

_JUMP_SECONDS = 5.0
"""A clock that moves so much more or less than this process's own has been put right. Leases are
renewed every third, so that those of 30 seconds outlast this."""
_GAP_SECONDS = 10.0
"""If nobody could look for so long, others could not renew their leases either."""

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class _Look:
    began: float
    ended: float
    catalog: float


class ClockWatch:
    """Compares how far the catalog's clock moved with how far this process's own did.

    One thread looks, often; any may ask.
    """

    def __init__(
        self,
        roster: Roster,
        *,
        lease_seconds: float,
        delay_seconds: float,
        own: Callable[[], float] = time.monotonic,
    ) -> None:
        """Look at nothing yet.

        Args:
            roster: has the catalog's clock.
            lease_seconds: the longest lease that there is.
            delay_seconds: the longest that a revision may be told to wait.
            own: a clock in seconds that only rises, and does not while the machine sleeps.
        """
        self._roster = roster
        self._lease_seconds = lease_seconds
        self._delay_seconds = delay_seconds
        self._own = own
        self._last: _Look | None = None
        self._failed = False
        self._disturbed_at = float("-inf")

    def look(self) -> None:
        """Compare the clocks; where leases last too long because one was put back, shorten them.

        Raises:
            CatalogUnavailable: the catalog cannot be asked now.
        """
        now = self._read()
        last, self._last = self._last, now
        if last is None:
            self._shorten()  # it may have been put back while nobody looked
            return
        moved = now.catalog - last.catalog
        ahead, behind = moved - (now.ended - last.began), (now.began - last.ended) - moved
        if ahead > _JUMP_SECONDS:
            self.disturb(f"the catalog's clock went {ahead:.0f} s ahead")
        elif behind > _JUMP_SECONDS:
            _log.warning("clock_jumped", reason=f"the catalog's clock went back {behind:.0f} s")
            self._shorten()
        if self._failed or now.ended - last.ended > _GAP_SECONDS:
            self.disturb("the catalog was away, or this process stood still")
        self._failed = False

    def disturb(self, reason: str) -> None:
        """Say that leases may have run out that could not be renewed in time."""
        _log.warning("leases_spared", reason=reason)
        self._disturbed_at = self._own()

    def steady_for(self, seconds: float) -> bool:
        """Whether nothing disturbed the clock for so long: a lease of that length can be judged."""
        return self._own() - self._disturbed_at >= seconds

    def _read(self) -> _Look:
        began = self._own()
        try:
            catalog = self._roster.now()
        except Retryable:
            self._failed = True
            raise
        return _Look(began, self._own(), catalog)

    def _shorten(self) -> None:
        count = self._roster.shorten(
            lease_seconds=self._lease_seconds, delay_seconds=self._delay_seconds
        )
        if count:
            _log.warning("leases_shortened", count=count)
