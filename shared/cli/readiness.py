"""Ask the web process whether it is ready."""

import json
from http import HTTPStatus
from http.client import HTTPConnection, HTTPException

_ANY = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - what to call, not where to listen


def local_url(host: str, port: int) -> str:
    """Return where this machine reaches a server that listens on *host*."""
    name = _ANY.get(host, host)
    return f"http://[{name}]:{port}" if ":" in name else f"http://{name}:{port}"


def find_obstacle(host: str, port: int) -> str | None:
    """Return why the server that listens there is not ready; None if it is."""
    connection = HTTPConnection(_ANY.get(host, host), port, timeout=5)
    try:
        connection.request("GET", "/readyz")
        answer = connection.getresponse()
        body = answer.read()
    except (OSError, HTTPException):
        return "the web process does not answer yet"
    finally:
        connection.close()
    return None if answer.status == HTTPStatus.OK else reasons_in(body)


def reasons_in(body: bytes) -> str:
    """Return the reasons that an answer of `/readyz` gives, as one line."""
    try:
        reasons = json.loads(body)["reasons"]
        return "; ".join(str(reason) for reason in reasons)
    except (ValueError, KeyError, TypeError):
        return "the web process answers with an error"
