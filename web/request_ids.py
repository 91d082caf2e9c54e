"""A name for each request, in every line that is logged for it and in its answer.

A client, or a proxy in front, may bring its own as `X-Request-ID`; what cannot be one is replaced,
so that a log never holds what a stranger wrote.
"""

import re
import uuid

import structlog
from flask import Flask, Response, g, request

HEADER = "X-Request-ID"
_VALID = re.compile(r"[A-Za-z0-9._:/+=@-]{1,128}", re.ASCII)


def register(app: Flask) -> None:
    """Name each request; first of all, so that whatever else is logged has the name."""
    app.before_request(_name)
    app.after_request(_tell)
    app.teardown_request(_forget)


def _name() -> None:
    brought = request.headers.get(HEADER, "")
    g.request_id = brought if _VALID.fullmatch(brought) else uuid.uuid4().hex
    structlog.contextvars.clear_contextvars()
    structlog.contextvars.bind_contextvars(request_id=g.request_id)


def _tell(response: Response) -> Response:
    if "request_id" in g:
        response.headers[HEADER] = g.request_id
    return response


def _forget(_error: BaseException | None) -> None:
    structlog.contextvars.clear_contextvars()
