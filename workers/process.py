"""What there is once in a worker process: whether to stop, whether the bell rang.

Signals are blocked in every thread and fetched by one that waits for them, so that nothing
runs inside a signal handler and libraries cannot take them over.
"""

import os
import signal
import threading
import time
from collections.abc import Callable

import structlog

STOP_SECONDS = 15.0
"""A process that was told to stop and has not by then is ended; its claim is reaped."""

stopping = threading.Event()
bell_heard = threading.Event()

_log = structlog.get_logger(__name__)
_state = {"exit_code": 0, "working": False}
_at_stop: list[Callable[[], None]] = []


def handle_signals() -> None:
    """Stop at SIGTERM or SIGINT. Call it first: threads started before would miss it."""
    signals = {signal.SIGTERM, signal.SIGINT}
    signal.pthread_sigmask(signal.SIG_BLOCK, signals)

    def wait() -> None:
        received = signal.sigwait(signals)
        _log.info("stopping", signal=signal.Signals(received).name)
        stop()

    threading.Thread(target=wait, name="signals", daemon=True).start()


def working() -> None:
    """Say that there is work in hand from now on, which a stop must let end."""
    _state["working"] = True


def stop(exit_code: int = 0) -> None:
    """End this process: take no more work, finish what is in hand, then leave."""
    if exit_code:
        _state["exit_code"] = exit_code
    if stopping.is_set():
        return
    stopping.set()
    bell_heard.set()
    if not _state["working"]:
        os._exit(_state["exit_code"])  # a model that is still loading would take its time
    threading.Thread(target=_end_late, name="stop", daemon=True).start()
    for callback in _at_stop:
        callback()


def at_stop(callback: Callable[[], None]) -> None:
    """Call *callback*, in another thread, when this process shall stop."""
    _at_stop.append(callback)
    if stopping.is_set():
        callback()


def exit_code() -> int:
    """Return what the process shall exit with."""
    return _state["exit_code"]


def _end_late() -> None:
    time.sleep(STOP_SECONDS)
    _log.error("stop_overdue", seconds=STOP_SECONDS)
    os._exit(1)
