"""Server-Sent Events: text that is answered bit by bit, by a thread of its own.

So a process serves few at once, pages and programs together, and none for long; clients take a
stream up again where it ended: every browser's `EventSource` does so by itself, by `Last-Event-ID`.
https://html.spec.whatwg.org/multipage/server-sent-events.html
"""

from collections.abc import Iterator

from flask import Response

from shared.errors import TooManyStreams
from web.context import services

SSE = "text/event-stream"
BEGINNING = "retry: 1000\n\n"
"""Milliseconds after which a browser comes back to a stream that ended."""


def stream(parts: Iterator[str]) -> Response:
    """Return a stream; its place among the few is given back when it is closed.

    Raises:
        TooManyStreams: this process serves as many as it may.
    """
    places = services().streams
    if not places.acquire(blocking=False):
        raise TooManyStreams
    try:
        headers = {"X-Accel-Buffering": "no"}  # nginx would keep it back
        response = Response(parts, mimetype=SSE, headers=headers)
    except BaseException:
        places.release()
        raise
    response.call_on_close(places.release)
    return response
