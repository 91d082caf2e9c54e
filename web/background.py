"""What a web process does beside answering: it says that it lives, and warms up."""

import threading

import structlog

from shared.errors import CatalogUnavailable, LaminaError
from shared.ports import Roster
from shared.services import Services, process_name

log = structlog.get_logger(__name__)

BEAT_SECONDS = 5.0
ALIVE_SECONDS = 15.0
"""A process that said nothing for this long counts as gone."""
_SLOWEST_RETRY_SECONDS = 30.0


class Beat:
    """Tells the roster every few seconds that this process is alive."""

    def __init__(self, roster: Roster, *, every_seconds: float = BEAT_SECONDS) -> None:
        self._roster = roster
        self._every_seconds = every_seconds
        self._process = process_name()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="beat", daemon=True)

    def start(self) -> None:
        """Begin; call it after the last fork."""
        self._thread.start()

    def close(self) -> None:
        """Fall silent."""
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        while True:
            try:
                self._roster.beat(self._process, "web")
            except CatalogUnavailable as error:
                log.warning("beat.missed", error=str(error))
            if self._stop.wait(self._every_seconds):
                return


class WarmUp:
    """Loads the default encoder and the newest snapshots, so that the first search is fast."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="warm-up", daemon=True)
        self._problem: str | None = "The default encoder is being loaded."

    @property
    def problem(self) -> str | None:
        """Why the process is not warm yet, if it is not."""
        return self._problem

    def start(self) -> None:
        """Begin; call it after the last fork."""
        self._thread.start()

    def close(self) -> None:
        """Give up."""
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        pause = 1.0
        while not self._stop.is_set():
            try:
                self._load()
            except LaminaError as error:
                self._problem = f"{error.title}: {error.detail}"
                log.warning("warm-up.failed", error=self._problem)
                self._stop.wait(pause)
                pause = min(2 * pause, _SLOWEST_RETRY_SECONDS)
            else:
                self._problem = None
                return

    def _load(self) -> None:
        self._services.snapshots.start()
        card = self._services.encoders.card(self._services.settings.encoder)
        self._services.queries.encode(card.fingerprint, "warm up")


class Background:
    """The two together, for one process."""

    def __init__(self, services: Services) -> None:
        self.warm_up = WarmUp(services)
        self._beat = Beat(services.roster)
        self._started = False

    def start(self) -> None:
        """Begin; call it after the last fork."""
        self._started = True
        self._beat.start()
        self.warm_up.start()

    def close(self) -> None:
        """End both threads, if they run."""
        if self._started:
            self._beat.close()
            self.warm_up.close()
