"""A gunicorn worker that waits for a request only so long: slow clients must not take all threads.

gunicorn's threads read from sockets that block for ever, so a few dozen clients that send a byte
now and then ("slowloris") would stop a server. Here each request has a patience that
waiting for its bytes uses up, and that grows as they come: Apache's `mod_reqtimeout` with a minimum
rate. It never grows beyond what it was, so that however much came, who falls silent is left soon;
and what the server does between two readings costs none. A client that does not read its answer
is left as soon.
"""

import errno
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

    most_seconds = 0.0
    left_seconds = 0.0
    """What waiting for the request that is read may still take."""

    def begin(self, seconds: float) -> None:
        """Begin to wait for a request, *seconds* at most."""
        self.most_seconds = self.left_seconds = seconds

    def recv(self, size: int, flags: int = 0, /) -> bytes:
        """Receive, or return nothing, as at the end of the stream, when patience is over."""
        left = self.left_seconds
        if left <= 0:
            return b""
        allowed = self.gettimeout()  # by whoever reads; for ever if None
        self.settimeout(left if allowed is None else min(left, allowed))
        began = time.monotonic()
        try:
            data = super().recv(size, flags)
        except TimeoutError:
            if allowed is not None and allowed <= left:
                raise
            self.left_seconds = 0.0
            return b""
        finally:
            self.settimeout(allowed)
        left += len(data) / LEAST_BYTES_PER_SECOND - (time.monotonic() - began)
        self.left_seconds = min(left, self.most_seconds)
        return data

    def sendall(self, data: Any, flags: int = 0, /) -> None:
        """Send all of *data*, to a client that takes it in reasonable time.

        Raises:
            BrokenPipeError: it does not.
        """
        allowed = self.gettimeout()
        self.settimeout(self.most_seconds + len(data) / LEAST_BYTES_PER_SECOND)
        try:
            super().sendall(data, flags)
        except TimeoutError as error:
            raise BrokenPipeError(errno.EPIPE, "The client does not read its answer.") from error
        finally:
            self.settimeout(allowed)


class PatientWorker(ThreadWorker):  # type: ignore[misc]  # gunicorn has no types
    """gunicorn's threaded worker over such sockets."""

    arrival_seconds: float
    """How long is waited for a request; each 10 kB of it that came adds a second, up to that."""

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
        conn.sock.begin(self.arrival_seconds)
        return super().handle(conn)


def patient_worker(arrival_seconds: float) -> type[PatientWorker]:
    """Return the worker that gives each request so long to arrive."""
    return type("PatientWorker", (PatientWorker,), {"arrival_seconds": arrival_seconds})
