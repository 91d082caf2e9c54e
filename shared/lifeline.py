"""End with the supervisor: its death closes a pipe that each child watches."""

import os
import signal
import threading
import time

GRACE_SECONDS = 10.0


def watch(fd: int, *, grace_seconds: float = GRACE_SECONDS) -> None:
    """End this process once the other end of the pipe *fd* is closed.

    A daemon thread waits for that, sends this process SIGTERM so that it ends properly, and
    ends it for good *grace_seconds* later. The pipe carries nothing; what is written is ignored.
    """
    thread = threading.Thread(target=_watch, args=(fd, grace_seconds), name="lifeline", daemon=True)
    thread.start()


def _watch(fd: int, grace_seconds: float) -> None:
    while os.read(fd, 1024):
        pass
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(grace_seconds)
    os._exit(1)
