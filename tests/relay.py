"""A network that fails: a TCP port of loopback that hands everything on, until it is told not to.

with Relay(("127.0.0.1", 6379)) as relay:
    relay.freeze()                   # half-open: connected, and silent in both directions
    relay.thaw()
    relay.cut()                      # every connection is reset
    relay.lose(b"COMMIT", delivered=True)    # the answer to this never comes
"""

import socket
import struct
import threading
from contextlib import suppress
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self, TypeAlias

Address: TypeAlias = tuple[str, int] | str
"""A host and its port, or the path of a Unix socket."""

_CHUNK_BYTES = 65_536
_AT_ONCE = struct.pack("ii", 1, 0)
"""SO_LINGER of no time: closed with RST, as when the other host died."""


@dataclass(slots=True)
class _Line:
    """A client's connection and the one to the server that goes with it."""

    client: socket.socket
    server: socket.socket
    deaf: bool = False
    """Whether what the server says next is lost, and the connection with it."""

    def reset(self) -> None:
        """End both, as if the network had."""
        for end in (self.client, self.server):
            with suppress(OSError):  # it has ended by itself
                end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _AT_ONCE)
                end.shutdown(socket.SHUT_RD)  # wakes the thread that reads it
            end.close()


@dataclass(slots=True)
class _Loss:
    """What to wait for in what clients say."""

    words: bytes
    delivered: bool
    met: threading.Event = field(default_factory=threading.Event)


class Relay:
    """Start as a context manager; at its end every connection is closed."""

    def __init__(self, target: Address) -> None:
        self._target = target
        self._flowing = threading.Event()
        self._flowing.set()
        self._lock = threading.Lock()
        self._lines: list[_Line] = []
        self._loss: _Loss | None = None
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._listening = threading.Thread(target=self._listen, name="relay", daemon=True)

    @property
    def port(self) -> int:
        """Where it listens, on 127.0.0.1."""
        return int(self._listener.getsockname()[1])

    def freeze(self) -> None:
        """Hand nothing on: connections stay open, and whoever connects gets no answer."""
        self._flowing.clear()

    def thaw(self) -> None:
        """Hand on again, beginning with what was said meanwhile."""
        self._flowing.set()

    def cut(self) -> None:
        """Reset every connection."""
        with self._lock:
            lines, self._lines = self._lines, []
        for line in lines:
            line.reset()

    def lose(self, words: bytes, *, delivered: bool) -> threading.Event:
        """Reset the connection on which a client says *words* next; return what tells of it.

        With *delivered*, the server hears them first, and it is its answer that is lost.
        """
        self._loss = _Loss(words, delivered)
        return self._loss.met

    def __enter__(self) -> Self:
        self._listening.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)  # else `accept` would not notice
        self._listening.join()
        self._listener.close()
        self.thaw()
        self.cut()

    def _listen(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            try:
                line = _Line(client, _connect(self._target))
            except OSError:
                client.close()
                continue
            with self._lock:
                self._lines.append(line)
            for pump in (self._ask, self._answer):
                threading.Thread(target=pump, args=(line,), name="relay", daemon=True).start()

    def _ask(self, line: _Line) -> None:
        """Hand on what the client says."""
        with suppress(OSError):
            while chunk := line.client.recv(_CHUNK_BYTES):
                self._flowing.wait()
                loss = self._loss
                if loss and loss.words in chunk and not loss.met.is_set():
                    line.deaf = True
                    loss.met.set()
                    if not loss.delivered:
                        break
                line.server.sendall(chunk)
        line.reset()

    def _answer(self, line: _Line) -> None:
        """Hand on what the server says."""
        with suppress(OSError):
            while chunk := line.server.recv(_CHUNK_BYTES):
                self._flowing.wait()
                if line.deaf:
                    break
                line.client.sendall(chunk)
        line.reset()


def _connect(target: Address) -> socket.socket:
    if isinstance(target, tuple):
        return socket.create_connection(target, timeout=None)
    server = socket.socket(socket.AF_UNIX)
    try:
        server.connect(target)
    except OSError:
        server.close()
        raise
    return server
