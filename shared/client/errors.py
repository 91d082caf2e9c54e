"""What a call can end with instead of an answer."""

from http import HTTPStatus
from typing import Any

import httpx

_BUSY = frozenset(
    {
        HTTPStatus.TOO_MANY_REQUESTS,
        HTTPStatus.BAD_GATEWAY,
        HTTPStatus.SERVICE_UNAVAILABLE,
        HTTPStatus.GATEWAY_TIMEOUT,
    }
)


class ClientError(Exception):
    """A call got no useful answer; the text says why, for people."""


class Unreachable(ClientError):
    """Lamina did not answer: whether it did what was asked is not known."""


class Refused(ClientError):
    """Lamina answered, and the answer was no."""

    def __init__(self, response: httpx.Response) -> None:
        self.status = response.status_code
        self.busy = self.status in _BUSY
        """Whether the same request may succeed a little later."""
        self.retry_after_seconds = _seconds(response.headers.get("Retry-After"))
        problem = _problem(response)
        self.type: str | None = problem.get("type")
        """What kind of problem it is (RFC 9457), such as `/problems/collection-not-found`."""
        self.faults: list[tuple[str, str]] = [
            (str(fault.get("pointer", "")), str(fault.get("detail", "")))
            for fault in problem.get("errors") or []
            if isinstance(fault, dict)
        ]
        """Where (a JSON pointer) and what is wrong with the request."""
        super().__init__(_in_words(response, problem, self.faults))


def _problem(response: httpx.Response) -> dict[str, Any]:
    """Return the problem details (RFC 9457) of an error answer; empty if it has none."""
    if "json" not in response.headers.get("Content-Type", ""):
        return {}
    try:
        body = response.json()
    except ValueError:
        return {}
    return body if isinstance(body, dict) else {}


def _in_words(
    response: httpx.Response, problem: dict[str, Any], faults: list[tuple[str, str]]
) -> str:
    title = problem.get("title") or response.reason_phrase
    detail = problem.get("detail")
    message = f"{title}: {detail}" if detail and detail != title else str(title)
    told = [f"  {pointer}: {what}" for pointer, what in faults[:20]]
    # A single fault is the detail already.
    lines = [] if len(faults) == 1 and told[0].strip() in message else told
    if len(faults) > len(told):
        lines.append(f"  and {len(faults) - len(told)} more")
    return "\n".join([f"{message} (HTTP {response.status_code})", *lines])


def _seconds(retry_after: str | None) -> float | None:
    """Return a `Retry-After` given in seconds; a date is not used by Lamina."""
    return float(retry_after) if retry_after and retry_after.isdecimal() else None
