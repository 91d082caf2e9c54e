"""A gunicorn worker that waits for a request only so long: slow clients must not take all threads.

gunicorn's threads read from sockets that block for ever, so a few dozen clients that send a byte
now and then ("slowloris") would stop a server. Here each request has until a deadline to arrive,
which moves on as its bytes come: Apache's `mod_reqtimeout` with a minimum rate.
"""

import selectors
import socket
import time
from functools import partial
from typing import Any

from gunicorn.workers.gthread import ThreadWorker

LEAST_BYTES_PER_SECOND = 10_000
"""What a body must come at, on average, once the time for its beginning is over."""


class PatientSocket(socket.socket):
    """A connection whose client seems to have gone when its request is late."""

    deadline = 0.0
    """Of the request that is read, by the monotonic clock."""

    def recv(self, size: int, flags: int = 0, /) -> bytes:
        """Receive, or return nothing, as at the end of the stream, when time is over."""
        left = self.deadline - time.monotonic()
        if left <= 0:
            return b""
        allowed = self.gettimeout()  # by whoever reads; for ever if None
        self.settimeout(left if allowed is None else min(left, allowed))
        try:
            data = super().recv(size, flags)
        except TimeoutError:
            if allowed is not None and allowed <= left:
                raise
            return b""
        finally:
            self.settimeout(allowed)
        self.deadline += len(data) / LEAST_BYTES_PER_SECOND
        return data


class PatientWorker(ThreadWorker):  # type: ignore[misc]  # gunicorn has no types
    """gunicorn's threaded worker over such sockets."""

    arrival_seconds: float
    """How long a request may take to arrive; each 10 kB of it that came adds a second."""

    def enqueue_req(self, conn: Any) -> None:
        """Give a connection to a thread, once there is something to read.

        gunicorn gives a new one to a thread at once, where it waits 5 seconds for its first byte.
        """
        if isinstance(conn.sock, PatientSocket):
            super().enqueue_req(conn)
            return
        conn.sock = PatientSocket(fileno=conn.sock.detach())
        conn.sock.settimeout(0.0)
        conn.set_timeout()
        self.pending_conns.append(conn)
        readable = partial(self.on_pending_socket_readable, conn)
        self.poller.register(conn.sock, selectors.EVENT_READ, readable)

    def handle(self, conn: Any) -> Any:
        """Read a request within its time and answer it."""
        conn.sock.deadline = time.monotonic() + self.arrival_seconds
        return super().handle(conn)


def patient_worker(arrival_seconds: float) -> type[PatientWorker]:
    """Return the worker that gives each request so long to arrive."""
    return type("PatientWorker", (PatientWorker,), {"arrival_seconds": arrival_seconds})
