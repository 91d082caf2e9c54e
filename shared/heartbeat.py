"""Keep something alive while work on it is under way."""

import threading
from collections.abc import Callable

import structlog

from shared.errors import LaminaError, Retryable

log = structlog.get_logger(__name__)


class Heartbeat:
    """Calls *beat* every so many *seconds* in a thread, until it is stopped or has lost.

    A beat that raises `Retryable` is tried again soon: a lease outlives some that are missed, and
    whoever judges it waits for the living after an outage. Any other error of ours means that
    what was kept alive is lost.
    """

    def __init__(self, beat: Callable[[], None], seconds: float, *, name: str) -> None:
        self._beat = beat
        self._seconds = seconds
        self._name = name
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self.lost: LaminaError | None = None
        """Why it was lost; None while all is well."""

    def start(self) -> None:
        """Begin to beat; the first time after *seconds*."""
        self._thread.start()

    def stop(self) -> None:
        """End; no beat is under way when this returns."""
        self._over.set()
        self._thread.join()

    def _run(self) -> None:
        pause = self._seconds
        while not self._over.wait(pause):
            pause = self._seconds
            try:
                self._beat()
            except Retryable as error:
                log.debug("beat_missed", of=self._name, error=str(error))
                pause = self._seconds / 5
            except LaminaError as error:
                log.warning("lease_lost", of=self._name, error=str(error))
                self.lost = error
                return
