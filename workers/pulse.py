"""Say that this process is alive."""

import threading

import structlog

from shared.errors import Retryable
from shared.ports import Roster
from workers import process

_BEAT_SECONDS = 2.0

_log = structlog.get_logger(__name__)


def start(roster: Roster, name: str, kind: str) -> None:
    """Tell the roster every few seconds, from a thread, until the process stops."""

    def beat() -> None:
        while not process.stopping.is_set():
            try:
                roster.beat(name, kind)
            except Retryable as error:
                _log.debug("beat_missed", error=str(error))
            process.stopping.wait(_BEAT_SECONDS)

    threading.Thread(target=beat, name="pulse", daemon=True).start()
