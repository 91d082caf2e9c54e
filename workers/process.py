"""What there is once in a worker process: whether to stop, whether the bell rang.

Signals are blocked in every thread and fetched by one that waits for them, so that nothing
runs inside a signal handler and libraries cannot take them over.
"""

import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import NoReturn

import structlog

_LAST_RESORT_SECONDS = 2.0
"""How much of the time to stop is kept for giving back what the process holds."""

stopping = threading.Event()
bell_heard = threading.Event()

_log = structlog.get_logger(__name__)
_at_stop: list[Callable[[], None]] = []
_at_last: list[Callable[[], object]] = []


@dataclass(slots=True)
class _State:
    exit_code: int = 0
    working: bool = False
    stop_seconds: float = 0.0


_state = _State()


def handle_signals() -> None:
    """Stop at SIGTERM, SIGINT or SIGQUIT; call it first, or threads started before miss it.

    A second signal while it stops changes nothing: SIGKILL is there for the impatient.
    """
    signals = {signal.SIGTERM, signal.SIGINT, signal.SIGQUIT}
    signal.pthread_sigmask(signal.SIG_BLOCK, signals)

    def wait() -> None:
        while True:
            received = signal.sigwait(signals)
            _log.info("stopping", signal=signal.Signals(received).name)
            stop()

    threading.Thread(target=wait, name="signals", daemon=True).start()


def working(stop_seconds: float) -> None:
    """Say that there is work in hand from now on, which a stop must let end in this time."""
    _state.stop_seconds = stop_seconds
    _state.working = True


def stop(exit_code: int = 0) -> None:
    """End this process: take no more work, finish what is in hand, then leave."""
    if exit_code:
        _state.exit_code = exit_code
    if stopping.is_set():
        return
    stopping.set()
    bell_heard.set()
    if not _state.working:
        os._exit(_state.exit_code)  # a model that is still loading would take its time
    threading.Thread(target=_end_late, name="stop", daemon=True).start()
    for callback in _at_stop:
        callback()


def at_stop(callback: Callable[[], None]) -> None:
    """Call *callback*, in another thread, when this process shall stop."""
    _at_stop.append(callback)
    if stopping.is_set():
        callback()


def at_last(callback: Callable[[], object]) -> None:
    """Call *callback* if this process must leave in the midst of its work.

    It has two seconds, beside all others, and may fail: the process may be dying of just that.
    """
    _at_last.append(callback)


def exit_code() -> int:
    """Return what the process shall exit with."""
    return _state.exit_code


def leave(code: int) -> NoReturn:
    """End now; what must be closed is.

    Not by way of the interpreter's end, which frees torch and all modules one by one: at the
    lowest priority and under load that alone took ten seconds.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def _end_late() -> None:
    seconds = _state.stop_seconds
    time.sleep(max(0.0, seconds - _LAST_RESORT_SECONDS))
    _log.error("stop_overdue", seconds=seconds)
    threads = [threading.Thread(target=callback, daemon=True) for callback in _at_last]
    for thread in threads:
        thread.start()
    deadline = time.monotonic() + _LAST_RESORT_SECONDS / 2
    for thread in threads:
        thread.join(max(0.0, deadline - time.monotonic()))
    leave(1)
