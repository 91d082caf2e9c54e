"""The role `index`: claim, encode, publish; woken by bells and by a timer.

One thread does the work. Celery's loop, in the main thread, only sets an event, so a bell
never waits behind an encoding, and without any broker the timer alone keeps indexing going.
"""

import os
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import structlog

from shared import footprint
from shared.errors import ConfigurationError, LaminaError, OutOfSpace, Retryable
from shared.indexing.bench import Bench
from shared.indexing.turns import index_next
from shared.ports import Bell
from shared.services import Services, open_bench, open_encoders, open_services
from shared.settings import Settings
from workers import app, process
from workers.pulse import Pulse
from workers.recycling import Recycling
from workers.waiting import wait_for_catalog
from workers.watchdog import Watchdog

_LONGEST_PAUSE_SECONDS = 10.0

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Post:
    """What the thread that works has, and whom it tells."""

    bench: Bench
    bell: Bell
    pulse: Pulse
    recycling: Recycling
    poll_seconds: float


def run(settings: Settings, name: str) -> int:
    """Index until `process.stopping`; return the exit code."""
    del name
    encoding = settings.encoding
    services = open_services(settings, encoders=open_encoders(settings))
    wait_for_catalog(services)
    bench = open_bench(services, stopping=process.stopping.is_set)
    pulse = Pulse(services, "index", lambda: _usable(services, pulse))
    recycling = Recycling(encoding.memory_bytes, encoding.recycle_seconds)
    post = Post(
        bench=bench,
        bell=services.bell,
        pulse=pulse,
        recycling=recycling,
        poll_seconds=encoding.poll_seconds,
    )
    _load_default(services)
    footprint.settle()
    process.working(settings.stop_seconds)
    process.at_last(partial(_give_up, bench))
    pulse.start()
    Watchdog(bench.attention, encoding.hang_seconds).start()
    os.nice(encoding.nice)  # not before, or a start under load takes long
    worker = threading.Thread(target=_work, args=(post,), name="index")
    worker.start()
    _log.info("ready", worker=bench.worker)
    code = 1
    try:
        code = _listen(settings.broker_url, bench.worker)
    finally:
        process.stop(code)
        worker.join()
        pulse.close()
        services.close()
    return code


def _listen(broker_url: str, worker: str) -> int:
    if broker_url:
        return app.listen(broker_url, f"index@{worker}")
    _log.warning("no_broker", advice="set LAMINA_BROKER_URL; until then work is polled for")
    process.stopping.wait()
    return 0


def drain(bench: Bench, bell: Bell, recycling: Recycling | None = None) -> None:
    """Index until nothing waits or the process shall stop, perhaps for *recycling*.

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
        if recycling and recycling.due():
            process.stop()


def _work(post: Post) -> None:
    pause = 0.0
    try:
        process.bell_heard.set()
        while not process.stopping.is_set():
            process.bell_heard.wait(post.poll_seconds)
            process.bell_heard.clear()
            try:
                drain(post.bench, post.bell, post.recycling)
            except (Retryable, OutOfSpace) as error:
                if not pause:
                    _log.warning("index_delayed", error=str(error))
                post.pulse.trouble("work", f"{error.title}: {error.detail}")
                pause = min(2 * pause or 0.25, _LONGEST_PAUSE_SECONDS)
                process.stopping.wait(pause)
                process.bell_heard.set()  # what was heard before the fault is still to be done
                continue
            if pause:
                _log.info("index_goes_on")
            post.pulse.trouble("work", None)
            pause = 0.0
    except Exception:  # noqa: BLE001 - the boundary of the process; a fresh one may get over it
        _log.exception("index_failed")
        process.stop(1)


def _give_up(bench: Bench) -> None:
    reason = "Its worker had to stop in the midst of it."
    bench.claims.give_up(bench.worker, delay_seconds=0.0, reason=reason)


def _load_default(services: Services) -> None:
    """Load the default encoder before the first document waits for it.

    Raises:
        ConfigurationError: there is no such device as the settings name.
    """
    try:
        card = services.encoders.card(services.settings.encoder)
        services.encoders.load(card.fingerprint)
    except ConfigurationError:
        raise
    except LaminaError as error:
        # Collections may use other encoders; those that use this one will say so themselves.
        _log.error("default_encoder_missing", error=str(error))


def _usable(services: Services, pulse: Pulse) -> Sequence[str]:
    """Return the fingerprints of the installed encoders; the default one is missed aloud."""
    fingerprints: list[str] = []
    try:
        fingerprints += [card.fingerprint for card in services.encoders.cards()]
        services.encoders.card(services.settings.encoder)
    except LaminaError as error:
        pulse.trouble("encoder", f"{error.title}: {error.detail}")
    else:
        pulse.trouble("encoder", None)
    return fingerprints
