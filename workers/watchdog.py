"""End this process when its encoder hangs: a lease that its other threads renew would never end."""

import faulthandler
import os
import threading
import time
from collections.abc import Callable

import structlog

from shared import exits
from shared.indexing.attention import Attention, Mark

_TICK_SECONDS = 1.0
_GRACE_SECONDS = 10.0
_STDERR = 2

_log = structlog.get_logger(__name__)


class Watchdog:
    """Looks every second at what the encoder is doing.

    Code that hangs with Python's lock in its hands lets no other thread run, this one included.
    Therefore it also keeps putting off a timer of `faulthandler`, which needs no lock: once that
    is not put off any more, it writes down where every thread is, and ends the process.
    """

    def __init__(
        self,
        attention: Attention,
        hang_seconds: float,
        *,
        bite: Callable[[Mark, float], None] | None = None,
    ) -> None:
        """Watch *attention*.

        Args:
            attention: has the marks of the thread that encodes.
            hang_seconds: how long one thing may take.
            bite: what to do then; by default this process ends.
        """
        self._attention = attention
        self._hang_seconds = hang_seconds
        self._bite = bite or end_hanging
        self._tick = min(_TICK_SECONDS, hang_seconds / 5)
        self._mark: Mark | None = None
        self._seconds = 0.0
        self._looked_at = 0.0

    def start(self) -> None:
        """Begin, in a thread of its own that lasts as long as the process."""
        threading.Thread(target=self._run, name="watchdog", daemon=True).start()

    def look(self, now: float) -> None:
        """Look once; call it every tick.

        Time in which nobody looked does not count: then the whole process stood still.

        Args:
            now: seconds of a clock that only rises.
        """
        mark = self._attention.mark
        if mark is self._mark:
            self._seconds += min(now - self._looked_at, 2 * self._tick)
        else:
            self._mark, self._seconds = mark, 0.0
        self._looked_at = now
        if mark is not None and self._seconds > self._hang_seconds:
            self._bite(mark, self._seconds)

    def _run(self) -> None:
        while True:
            late = self._hang_seconds + _GRACE_SECONDS
            faulthandler.dump_traceback_later(late, exit=True, file=_STDERR)
            self.look(time.monotonic())
            time.sleep(self._tick)


def end_hanging(mark: Mark, seconds: float) -> None:
    """End this process; its claim is given back as that of a dead one, and divided."""
    _log.error("encoder_hangs", claim=mark.claim_id, doing=mark.what, seconds=round(seconds, 1))
    faulthandler.dump_traceback(_STDERR)
    os._exit(exits.HANGING)
