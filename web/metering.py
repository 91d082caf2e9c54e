"""Count and time every request, by route template: names in addresses would be without number."""

import time

from flask import Flask, Response, g, request

from shared.measures.instruments import REQUEST_SECONDS, REQUESTS
from shared.measures.tally import Tally
from shared.services import Services

_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_NO_ROUTE = "none"
_OTHER = "other"


def register(app: Flask, services: Services) -> None:
    """Measure from before the first check until the last byte of the answer."""

    def begin() -> None:
        g.begun_at = time.perf_counter()

    def end(response: Response) -> Response:
        route = str(request.url_rule) if request.url_rule else _NO_ROUTE
        method = request.method if request.method in _METHODS else _OTHER
        begun, status = g.get("begun_at", time.perf_counter()), str(response.status_code)

        @response.call_on_close
        def measure() -> None:
            _measure(services.tally, time.perf_counter() - begun, (method, route, status))

        return response

    app.before_request(begin)
    app.after_request(end)


def _measure(tally: Tally, seconds: float, labels: tuple[str, str, str]) -> None:
    method, route, status = labels
    tally.add(REQUESTS, method=method, route=route, status=status)
    tally.observe(REQUEST_SECONDS, seconds, route=route)
