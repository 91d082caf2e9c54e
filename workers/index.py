"""The role `index`: claim, encode, publish; woken by bells and by a timer.

One thread does the work. Celery's loop, in the main thread, only sets an event, so a bell
never waits behind an encoding, and without any broker the timer alone keeps indexing going.
"""

import os
import threading

import structlog

from shared.errors import LaminaError, OutOfSpace, Retryable
from shared.indexing.turns import Bench, index_next
from shared.ports import Bell
from shared.services import Services, open_bench, open_services
from shared.settings import Settings
from workers import app, process, pulse

_LONGEST_PAUSE_SECONDS = 10.0

_log = structlog.get_logger(__name__)


def run(settings: Settings, name: str) -> int:
    """Index until `process.stopping`; return the exit code."""
    del name
    services = open_services(settings)
    bench = open_bench(services, stopping=process.stopping.is_set)
    _load_default(services)
    os.nice(settings.encoding.nice)  # not before, or a start under load takes long
    process.working()
    pulse.start(services.roster, bench.worker, "index")
    worker = threading.Thread(
        target=_work, args=(bench, services.bell, settings.encoding.poll_seconds), name="index"
    )
    worker.start()
    _log.info("ready", worker=bench.worker)
    code = 1
    try:
        code = _listen(settings.broker_url, bench.worker)
    finally:
        process.stop(code)
        worker.join()
        services.close()
    return code


def _listen(broker_url: str, worker: str) -> int:
    if broker_url:
        return app.listen(broker_url, f"index@{worker}")
    _log.warning("no_broker", advice="set LAMINA_BROKER_URL; until then work is polled for")
    process.stopping.wait()
    return 0


def drain(bench: Bench, bell: Bell) -> None:
    """Index until nothing waits or the process shall stop.

    Raises:
        OutOfSpace: too little disk is left; nothing was claimed.
        Retryable: the claim was given back; try again later.
    """
    while not process.stopping.is_set():
        record = index_next(bench)
        if record is None:
            return
        if record.closed_by != "drained":
            bell.ring()  # more was left than this worker took: another may be idle


def _work(bench: Bench, bell: Bell, poll_seconds: float) -> None:
    pause = 0.0
    try:
        process.bell_heard.set()
        while not process.stopping.is_set():
            process.bell_heard.wait(poll_seconds)
            process.bell_heard.clear()
            try:
                drain(bench, bell)
                pause = 0.0
            except (Retryable, OutOfSpace) as error:
                if not pause:
                    _log.warning("index_delayed", error=str(error))
                pause = min(2 * pause or 0.25, _LONGEST_PAUSE_SECONDS)
                process.stopping.wait(pause)
    except Exception:  # noqa: BLE001 - the boundary of the process; a fresh one may get over it
        _log.exception("index_failed")
        process.stop(1)


def _load_default(services: Services) -> None:
    """Load the default encoder before the first document waits for it."""
    try:
        card = services.encoders.card(services.settings.encoder)
        services.encoders.load(card.fingerprint)
    except LaminaError as error:
        # Collections may use other encoders; those that use this one will say so themselves.
        _log.error("default_encoder_missing", error=str(error))
