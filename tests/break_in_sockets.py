"""What only raw bytes can try: smuggled requests, split headers, slow clients, false proxies.

Against the real server, `python -m web` under gunicorn.
"""

import os
import re
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from shared.access.making import create_key
from shared.catalog import Database, SqlCollections, SqlKeys
from shared.domain import LOCAL, Chunking, Metric, Scope, SpaceDraft
from tests.break_in import Attempt
from tests.command_line import Forked
from tests.fakes.encoder import HashEncoder
from tests.running import free_port
from tests.unit.web.installation import KEY

ROOT = Path(__file__).resolve().parents[1]
_START_SECONDS = 60.0
_ARRIVAL_SECONDS = 1.5
_SLOW_CLIENTS = 12
_THREADS = 4
_HEAD = b"Host: localhost\r\n"
_SMUGGLED = b"GET /api/v1/audit HTTP/1.1\r\nHost: localhost\r\n\r\n"
_RAW: tuple[tuple[str, str, bytes], ...] = (
    (
        "request smuggling",
        "Content-Length and Transfer-Encoding",
        b"POST /api/v1/whoami HTTP/1.1\r\n"
        + _HEAD
        + b"Content-Length: 6\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
        + _SMUGGLED,
    ),
    (
        "request smuggling",
        "two Content-Lengths",
        b"POST /livez HTTP/1.1\r\n"
        + _HEAD
        + b"Content-Length: 0\r\nContent-Length: 5\r\n\r\n"
        + _SMUGGLED,
    ),
    (
        "request smuggling",
        "a Content-Length with a sign",
        b"POST /livez HTTP/1.1\r\n" + _HEAD + b"Content-Length: +0\r\n\r\n" + _SMUGGLED,
    ),
    (
        "request smuggling",
        "Transfer-Encoding: xchunked",
        b"POST /livez HTTP/1.1\r\n" + _HEAD + b"Transfer-Encoding: xchunked\r\n\r\n" + _SMUGGLED,
    ),
    (
        "request smuggling",
        "a space before the colon",
        b"POST /livez HTTP/1.1\r\n" + _HEAD + b"Content-Length : 0\r\n\r\n" + _SMUGGLED,
    ),
    (
        "request smuggling",
        "a folded header",
        b"GET /livez HTTP/1.1\r\n" + _HEAD + b"X: a\r\n\tTransfer-Encoding: chunked\r\n\r\n",
    ),
    (
        "request smuggling",
        "a chunk size that is no number",
        b"POST /api/v1/keys HTTP/1.1\r\n"
        + _HEAD
        + b"Authorization: Bearer "
        + KEY.encode()
        + b"\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n0x2\r\n{}\r\n"
        + _SMUGGLED,
    ),
    (
        "header injection",
        "a bare carriage return in a header",
        b"GET /livez HTTP/1.1\r\n" + _HEAD + b"X: a\rSet-Cookie: b=c\r\n\r\n",
    ),
    (
        "header injection",
        "NUL in a header",
        b"GET /livez HTTP/1.1\r\n" + _HEAD + b"X: a\x00b\r\n\r\n",
    ),
    (
        "header injection",
        "two Host headers",
        b"GET /api/v1/whoami HTTP/1.1\r\n" + _HEAD + b"Host: evil.example\r\n\r\n",
    ),
    (
        "header injection",
        "an underscore for a dash, as a proxy might not strip it",
        b"GET /api/v1/audit HTTP/1.1\r\n" + _HEAD + b"X_API_Key: " + KEY.encode() + b"\r\n\r\n",
    ),
    (
        "header injection",
        "SCRIPT_NAME and PATH_INFO as headers",
        b"GET /api/v1/audit HTTP/1.1\r\n"
        + _HEAD
        + b"SCRIPT_NAME: /api/v1/audit\r\nPATH_INFO: /livez\r\n\r\n",
    ),
    (
        "oversized heads",
        "65 headers",
        b"GET /livez HTTP/1.1\r\n"
        + _HEAD
        + b"".join(b"X-%d: a\r\n" % number for number in range(64))
        + b"\r\n",
    ),
    (
        "oversized heads",
        "a header of 10 kB",
        b"GET /livez HTTP/1.1\r\n" + _HEAD + b"X: " + b"a" * 10_000 + b"\r\n\r\n",
    ),
    (
        "oversized heads",
        "an address of 10 kB",
        b"GET /livez?" + b"a" * 10_000 + b" HTTP/1.1\r\n" + _HEAD + b"\r\n",
    ),
    ("other protocols", "the preface of HTTP/2", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
    ("other protocols", "bytes of TLS", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" * 20),
    ("other protocols", "HTTP/0.9", b"GET /api/v1/audit\r\n"),
    (
        "other protocols",
        "a whole address in the request line",
        b"GET http://evil.example/api/v1/audit HTTP/1.1\r\n" + _HEAD + b"\r\n",
    ),
)


def over_sockets(folder: Path) -> list[Attempt]:
    """Start a locked server in *folder* and return what every attempt got."""
    with _server(folder) as port:
        rows = [_raw(port, *one) for one in _RAW]
        rows += _false_proxy(port)
        rows += _slow(port)
    return rows


def _raw(port: int, kind: str, what: str, sent: bytes) -> Attempt:
    """Send bytes; hold if nothing of the record of acts comes back, nor a second good answer."""
    got = _exchange(port, sent)
    statuses = [int(one) for one in re.findall(rb"HTTP/1\.[01] (\d{3})", got)]
    secret = b'"entries"' in got or b'"scope"' in got
    held = not secret and b"Set-Cookie: b=c" not in got and statuses.count(200) <= 1
    if kind in ("request smuggling", "oversized heads"):
        held &= 200 not in statuses
    return Attempt(kind, what, " ".join(map(str, statuses)) or "closed", held)


def _false_proxy(port: int) -> Iterator[Attempt]:
    kind = "false proxies"
    for header in (
        b"X-Forwarded-Host: localhost",
        b"Forwarded: host=localhost",
        b"X-Forwarded-For: 127.0.0.1\r\nX-Forwarded-Host: localhost",
    ):
        got = _exchange(
            port, b"GET /livez HTTP/1.1\r\nHost: evil.example\r\n" + header + b"\r\n\r\n"
        )
        yield Attempt(kind, f"evil.example with {header!r}", _status(got), b" 421 " in got[:20])
    sent = b"GET /livez HTTP/1.1\r\n" + _HEAD + b"Origin: https://localhost\r\n"
    got = _exchange(port, sent + b"X-Forwarded-Proto: https\r\n\r\n")
    yield Attempt(
        kind, "an origin made ours by X-Forwarded-Proto", _status(got), b" 403 " in got[:20]
    )
    tries = [
        _exchange(
            port,
            b"GET /api/v1/whoami HTTP/1.1\r\n"
            + _HEAD
            + b"Authorization: Bearer guess-%d\r\nX-Forwarded-For: 10.0.0.%d\r\n\r\n" % (one, one),
        )
        for one in range(15)
    ]
    last = _status(tries[-1])
    kind = "brute force"
    yield Attempt(kind, "15 guesses, each with another X-Forwarded-For", last, last == "429")
    wait = b"Retry-After: " in tries[-1]
    yield Attempt(kind, "the 15th guess is told how long to wait", str(wait), wait)


def _slow(port: int) -> Iterator[Attempt]:
    """Several clients for each thread of the server, that send a byte now and then."""
    kind = "slow clients"
    heads = {
        "headers that never end": b"GET /livez HTTP/1.1\r\nHost: localhost\r\nX: ",
        "a body that never ends": b"POST /sign-in HTTP/1.1\r\nHost: localhost\r\n"
        b"Content-Type: application/x-www-form-urlencoded\r\nContent-Length: 9999\r\n\r\n",
        "chunks that never end": b"POST /sign-in HTTP/1.1\r\nHost: localhost\r\n"
        b"Content-Type: application/x-www-form-urlencoded\r\n"
        b"Transfer-Encoding: chunked\r\n\r\n5\r\n",
        "nothing at all": b"",
    }
    for what, head in heads.items():
        slow = [socket.create_connection(("127.0.0.1", port), 10) for _ in range(_SLOW_CLIENTS)]
        try:
            for one in slow:
                one.sendall(head)
            with ThreadPoolExecutor(1) as pool:
                answer = pool.submit(_patient_exchange, port)
                while not answer.done():
                    _drip(slow if head else [])
                    time.sleep(0.2)
            seconds, got = answer.result()
        finally:
            for one in slow:
                one.close()
        many = f"{_SLOW_CLIENTS} clients on {_THREADS} threads, {what}"
        yield Attempt(
            kind, many, f"another client is served after {seconds:.1f} s", b" 200 " in got
        )


def _drip(slow: list[socket.socket]) -> None:
    for one in slow:
        try:
            one.sendall(b"a")
        except OSError:  # it was closed, which is the point
            continue


def _patient_exchange(port: int) -> tuple[float, bytes]:
    began = time.monotonic()
    got = _exchange(
        port, b"GET /livez HTTP/1.1\r\n" + _HEAD + b"Connection: close\r\n\r\n", seconds=30
    )
    return time.monotonic() - began, got


def _exchange(port: int, sent: bytes, *, seconds: float = 3.0) -> bytes:
    """Send bytes and return all that comes back until the server closes or says no more."""
    got = b""
    with socket.create_connection(("127.0.0.1", port), seconds) as connection:
        try:
            connection.sendall(sent)
            connection.shutdown(socket.SHUT_WR)
            while data := connection.recv(65_536):
                got += data
        except (ConnectionError, TimeoutError):
            return got
    return got


def _status(got: bytes) -> str:
    found = re.match(rb"HTTP/1\.[01] (\d{3})", got)
    return found.group(1).decode() if found else "closed"


@contextmanager
def _server(folder: Path) -> Iterator[int]:
    """Run a web process with few threads and little patience until the block ends."""
    folder.mkdir(parents=True)
    database = Database(f"sqlite:///{folder / 'catalog.db'}")
    database.migrate()
    draft = SpaceDraft(encoder=HashEncoder().card, metric=Metric.COSINE, chunking=Chunking())
    SqlCollections(database).create("c", draft)
    create_key(SqlKeys(database), LOCAL, "reader", Scope.SEARCH)
    database.close()
    port = free_port()
    environment = os.environ | {
        "LAMINA_DATA_DIR": str(folder),
        "LAMINA_PORT": str(port),
        "LAMINA_ADMIN_KEY": KEY,
        "LAMINA_WEB_THREADS": str(_THREADS),
        "LAMINA_WEB_ARRIVAL_SECONDS": str(_ARRIVAL_SECONDS),
        "LAMINA_LOG_LEVEL": "ERROR",
    }
    with (folder / "web.log").open("wb") as log:
        streams = (log.fileno(), log.fileno(), log.fileno())
        process = Forked(["web"], environment=environment, folder=ROOT, streams=streams)
    try:
        _wait(process, port)
        yield port
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(20)


def _wait(process: Forked, port: int) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        try:
            if b" 200 " in _exchange(port, b"GET /livez HTTP/1.0\r\n" + _HEAD + b"\r\n"):
                return
        except OSError:
            time.sleep(0.1)
    raise RuntimeError("The web process did not answer.")
