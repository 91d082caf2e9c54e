"""An installation of one process, without a model, where a browser can get at it."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

from werkzeug.serving import make_server

from tests.unit.web.installation import Installation


class Address(NamedTuple):
    """Where pages are, for `visiting`."""

    url: str


@contextmanager
def served(installation: Installation) -> Iterator[str]:
    """Answer requests on a free port of loopback; give the address."""
    server = make_server("127.0.0.1", 0, installation.app, threaded=True)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
