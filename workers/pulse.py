"""Say that this process is alive, and how it is."""

import threading
import time
from collections.abc import Callable, Sequence

import structlog

from shared import exits
from shared.domain import Condition
from shared.errors import ConfigurationError, Retryable
from shared.footprint import resident_bytes
from shared.measures.tally import hand_over
from shared.product import product_version
from shared.services import Services, process_name
from workers import process

_BEAT_SECONDS = 2.0

_log = structlog.get_logger(__name__)


class Pulse:
    """Tells the roster every few seconds that this process is alive and what troubles it.

    What the process has counted goes to the catalog with it. Each time it looks whether the
    catalog is still one that this program can work with; if not, the process finishes what it
    has in hand and stops.
    """

    def __init__(
        self,
        services: Services,
        kind: str,
        encoders: Callable[[], Sequence[str]] = lambda: (),
    ) -> None:
        """Say nothing yet.

        Args:
            services: of this process.
            kind: `index`, `intake` or `upkeep`.
            encoders: returns the fingerprints of those that it can use.
        """
        self._services = services
        self._kind = kind
        self._encoders = encoders
        self._name = process_name()
        self._version = product_version()
        self._troubles: dict[str, tuple[str, float]] = {}
        self._thread = threading.Thread(target=self._run, name="pulse", daemon=True)

    def start(self) -> None:
        """Beat until the process stops."""
        self._thread.start()

    def close(self) -> None:
        """Hand over what was counted last; call it when the work is done."""
        self._thread.join()
        try:
            hand_over(self._services.measures, self._services.tally)
        except Retryable as error:
            _log.debug("measures_lost", error=str(error))

    def trouble(self, subject: str, words: str | None) -> None:
        """Say why the process does not get on with *subject*; None if it does again."""
        if words is None:
            self._troubles.pop(subject, None)
        else:
            _, since = self._troubles.get(subject, ("", time.monotonic()))
            self._troubles[subject] = words, since

    def condition(self) -> Condition:
        """Return how the process is."""
        # Copied, as other threads change it.
        troubles = list(dict(self._troubles).values())
        since = min((one for _, one in troubles), default=0.0)
        return Condition(
            version=self._version,
            schema=self._services.database.schema,
            encoders=tuple(self._encoders()),
            trouble=" ".join(words for words, _ in troubles) or None,
            trouble_seconds=round(time.monotonic() - since, 3) if troubles else 0.0,
            memory_bytes=resident_bytes(),
        )

    def _run(self) -> None:
        while not process.stopping.is_set():
            try:
                self._services.database.check()
                self._services.roster.beat(self._name, self._kind, self.condition())
                hand_over(self._services.measures, self._services.tally)
            except ConfigurationError as error:
                _log.error("catalog_too_new", error=str(error))
                process.stop(exits.CONFIGURATION)
            except Retryable as error:
                _log.debug("beat_missed", error=str(error))
            process.stopping.wait(_BEAT_SECONDS)
