"""The role `parser`: read files into documents.

A process of its own, because reading takes long and memory, and what it reads may be hostile:
upkeep, which gives back what the dead held, must not wait for it, and the intake may be left out
where nobody sends messages. The files are read in a child of this process (`shared/files/pen.py`).
"""

import os
import time

import structlog

from shared.errors import CorruptFile, OutOfSpace, Overloaded, Retryable
from shared.services import open_mill, open_services
from shared.settings import Settings
from shared.uploads.parsing import Mill, parse_next
from workers import process
from workers.pulse import Pulse
from workers.waiting import wait_for_catalog

_LONGEST_PAUSE_SECONDS = 5.0
_IDLE_SECONDS = 60.0
"""After which the child that reads files is ended, to give its memory back."""

_log = structlog.get_logger(__name__)


def run(settings: Settings, name: str) -> int:
    """Parse files until `process.stopping`; return the exit code."""
    del name
    services = open_services(settings)
    wait_for_catalog(services)
    process.working(settings.stop_seconds)
    pulse = Pulse(services, "parser")
    pulse.start()
    os.nice(settings.encoding.nice)
    mill = open_mill(services)
    process.at_stop(mill.reader.close)
    _log.info("ready", worker=mill.worker)
    _run(mill, pulse, settings.files.poll_seconds)
    mill.reader.close()
    pulse.close()
    services.close()
    return 0


def _run(mill: Mill, pulse: Pulse, poll_seconds: float) -> None:
    pause, idle_since = 0.0, time.monotonic()
    busy = False
    while not process.stopping.wait(0 if busy else max(pause, poll_seconds)):
        try:
            busy = parse_next(mill)
        except (Retryable, OutOfSpace, Overloaded, CorruptFile) as error:
            if not pause:
                _log.warning("parser_delayed", error=str(error))
            pulse.trouble("work", f"{error.title}: {error.detail}")
            pause, busy = min(2 * pause or 0.1, _LONGEST_PAUSE_SECONDS), False
            continue
        if pause:
            _log.info("parser_goes_on")
        pulse.trouble("work", None)
        pause = 0.0
        if busy:
            idle_since = time.monotonic()
        elif time.monotonic() - idle_since > _IDLE_SECONDS:
            mill.reader.close()
