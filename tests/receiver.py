"""A receiver of webhooks that answers as it is told, and who calls it in a small world."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from shared.catalog import Database, SqlDeliveries, SqlEvents
from shared.posting import HttpPoster
from shared.webhooks.delivering import Messenger

Answer = tuple[int, dict[str, str]]


@dataclass(slots=True)
class Receiver:
    """What came, and what is answered."""

    url: str = ""
    answer: Answer = (204, {})
    got: list[tuple[str, dict[str, str], bytes]] = field(default_factory=list)
    """Path, headers by lower-case name, and body of each call."""


@contextmanager
def receiving() -> Iterator[Receiver]:
    """Run a receiver on a free port of loopback."""
    receiver = Receiver()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            headers = {name.lower(): value for name, value in self.headers.items()}
            receiver.got.append((self.path, headers, body))
            status, more = receiver.answer
            self.send_response(status)
            for name, value in more.items():
                self.send_header(name, value)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, *_args: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        receiver.url = f"http://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield receiver
        finally:
            server.shutdown()
            thread.join()


@contextmanager
def catalog_of(folder: Path) -> Iterator[Database]:
    """Open the catalog of the world in *folder* once more."""
    database = Database(f"sqlite:///{folder / 'catalog.db'}")
    try:
        yield database
    finally:
        database.close()


@contextmanager
def messenger_of(folder: Path, *, lease_seconds: float) -> Iterator[Messenger]:
    """Open what tells webhooks of what happens in the world in *folder*."""
    with catalog_of(folder) as database:
        yield Messenger(
            events=SqlEvents(database),
            deliveries=SqlDeliveries(database),
            poster=HttpPoster(timeout_seconds=10, private=True),
            lease_seconds=lease_seconds,
            give_up_seconds=86_400,
            event_seconds=86_400,
            log_seconds=86_400,
        )
