"""A client is waited for as long as it deserves, whichever way the bytes go."""

import socket
import time
from collections.abc import Iterator

import pytest

from web.patience import PatientSocket


@pytest.fixture
def ends() -> Iterator[tuple[PatientSocket, socket.socket]]:
    """The server's end of a connection with a quarter of a second's patience, and the client's."""
    server, client = socket.socketpair()
    patient = PatientSocket(fileno=server.detach())
    patient.begin(0.25)
    yield patient, client
    patient.close()
    client.close()


def test_who_sent_much_and_falls_silent_is_left_as_soon_as_anybody(
    ends: tuple[PatientSocket, socket.socket],
) -> None:
    server, client = ends
    for _ in range(100):
        client.sendall(bytes(10_000))  # each earns a second
        assert server.recv(10_000)
    time.sleep(0.3)  # what the server does meanwhile costs the client nothing
    client.sendall(b"x")
    while (piece := server.recv(10_000)) != b"x":
        assert piece
    began = time.monotonic()

    assert server.recv(1) == b""
    assert 0.2 < time.monotonic() - began < 2
    assert server.recv(1) == b""  # and for good, even if it goes on
    assert server.gettimeout() is None


def flood(server: PatientSocket) -> None:
    """Send more than the kernel holds."""
    for _ in range(1000):
        server.sendall(bytes(2000))


def test_who_does_not_read_the_answer_is_left(
    ends: tuple[PatientSocket, socket.socket],
) -> None:
    server, client = ends
    server.sendall(b"hello")
    assert client.recv(10) == b"hello"
    server.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1000)
    with pytest.raises(BrokenPipeError, match="does not read"):
        flood(server)
