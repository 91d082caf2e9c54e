"""What a web process does beside answering: it says that it lives, and warms up."""

import threading
import time
from collections.abc import Callable

import structlog

from shared.domain import Condition
from shared.errors import ConfigurationError, LaminaError, Retryable
from shared.footprint import resident_bytes, settle
from shared.measures.tally import hand_over
from shared.product import product_version
from shared.services import Services, process_name

log = structlog.get_logger(__name__)

BEAT_SECONDS = 5.0
_SLOWEST_RETRY_SECONDS = 30.0


class Beat:
    """Tells the roster every few seconds that this process is alive, and how it is.

    What the process has counted goes to the catalog with it. Each time it looks whether the
    catalog is still one that this program can work with; if not, it calls *stop*.
    """

    def __init__(
        self,
        services: Services,
        *,
        problem: Callable[[], str | None],
        stop: Callable[[], None],
        every_seconds: float = BEAT_SECONDS,
    ) -> None:
        self._services = services
        self._problem = problem
        self._stop_process = stop
        self._since: float | None = None
        self._stopped_process = False
        self._every_seconds = every_seconds
        self._process = process_name()
        self._version = product_version()
        self._stop = threading.Event()
        self._begun = False
        self._thread = threading.Thread(target=self._run, name="beat", daemon=True)

    def start(self) -> None:
        """Begin; call it after the last fork."""
        self._thread.start()
        self._begun = True  # only now: a thread that has not begun would count as lost

    @property
    def lost(self) -> bool:
        """Whether its thread has ended, though it should not have."""
        return self._begun and not (
            self._thread.is_alive() or self._stop.is_set() or self._stopped_process
        )

    def close(self) -> None:
        """Fall silent, once what was counted last is handed over."""
        self._stop.set()
        self._thread.join()
        try:
            hand_over(self._services.measures, self._services.tally)
        except Retryable as error:
            log.debug("measures.lost", error=str(error))

    def _run(self) -> None:
        while True:
            try:
                self._services.database.check()
                self._services.roster.beat(self._process, "web", self._condition())
                self._services.keyring.stamp()
                hand_over(self._services.measures, self._services.tally)
            except ConfigurationError as error:
                log.critical("catalog.too_new", error=str(error))
                self._stopped_process = True
                self._stop_process()
                return
            except Retryable as error:
                log.warning("beat.missed", error=str(error))
            if self._stop.wait(self._every_seconds):
                return

    def _condition(self) -> Condition:
        trouble = self._problem()
        now = time.monotonic()
        self._since = (self._since or now) if trouble else None
        return Condition(
            version=self._version,
            schema=self._services.database.schema,
            trouble=trouble,
            trouble_seconds=round(now - self._since, 3) if self._since else 0.0,
            memory_bytes=resident_bytes(),
            searches=self._services.searcher.in_flight.now,
            behind=self._services.snapshots.versions_behind(),
        )


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
                settle()
                self._problem = None
                return

    def _load(self) -> None:
        self._services.snapshots.start()
        card = self._services.encoders.card(self._services.settings.encoder)
        self._services.queries.warm_up(card.fingerprint)


class Foresight:
    """Loads the encoders of rebuilds under way, so that the first search after one is fast."""

    def __init__(self, services: Services, *, every_seconds: float = BEAT_SECONDS) -> None:
        self._services = services
        self._every_seconds = every_seconds
        self._seen: set[str] = set()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="foresight", daemon=True)

    def start(self) -> None:
        """Begin; call it after the last fork."""
        self._thread.start()

    def close(self) -> None:
        """Give up."""
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stop.wait(self._every_seconds):
            try:
                self.look()
            except LaminaError as error:  # the search itself will say so, if it comes to that
                log.warning("foresight.failed", error=f"{error.title}: {error.detail}")

    def look(self) -> None:
        """Load what will be needed, each encoder once: more would drive others out of memory.

        Raises:
            EncoderNotInstalled, CorruptFile: of an encoder, this once.
            Retryable: the catalog cannot be read now.
        """
        for rebuild in self._services.renditions.running():
            if rebuild.space.fingerprint not in self._seen:
                self._seen.add(rebuild.space.fingerprint)
                self._services.encoders.load(rebuild.space.fingerprint)


class Background:
    """The three together, for one process."""

    def __init__(self, services: Services) -> None:
        self.warm_up = WarmUp(services)
        self._foresight = Foresight(services)
        self._services = services
        self._beat: Beat | None = None

    def start(self, *, stop: Callable[[], None] = lambda: None) -> None:
        """Begin; call it after the last fork. *stop* shall end the process."""
        self._beat = Beat(self._services, problem=self._find_problem, stop=stop)
        self._beat.start()
        self.warm_up.start()
        self._foresight.start()

    def close(self) -> None:
        """End the threads, if they run."""
        if self._beat:
            self._beat.close()
            self.warm_up.close()
            self._foresight.close()

    def lost(self) -> list[str]:
        """Return, in words, which threads ended by a fault; only a fresh process has them again."""
        parts = {
            "Nothing says any more that this process lives.": self._beat and self._beat.lost,
            "Nothing follows the newest versions any more.": self._services.snapshots.lost,
        }
        return [words for words, lost in parts.items() if lost]

    def _find_problem(self) -> str | None:
        return self.warm_up.problem or self._services.snapshots.problem
