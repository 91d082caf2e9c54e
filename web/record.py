"""The record of administrative acts: an entry before the view runs, its outcome after it.

An act that cannot be recorded does not happen. One whose process dies in between keeps an entry
without an outcome, so nothing was ever done that nobody can see.
"""

from collections.abc import Mapping
from http import HTTPStatus

import structlog
from flask import Flask, Response, g, request

from shared.domain import Act
from shared.errors import CatalogUnavailable
from web.access import caller, need_of
from web.context import services

log = structlog.get_logger(__name__)

_SHOWN_CHARACTERS = 200
_DAY_SECONDS = 86_400.0


def register(app: Flask) -> None:
    """Record what the routes with an act do. After the checks of keys and forms."""
    app.before_request(_begin)
    app.after_request(_end)


def target(**names: str) -> None:
    """Say what more the current act is on: names and ids, never texts or secrets."""
    if "act_target" in g:
        g.act_target |= _shortened(names)


def _begin() -> None:
    need = need_of(request.endpoint)
    if need.act is None or g.caller is None or request.method in ("OPTIONS", "HEAD", "GET"):
        return
    g.act_target = _shortened(_names())
    act = Act(
        who=caller().name,
        key_id=caller().key_id,
        address=request.remote_addr or "",
        what=need.act,
        target=g.act_target,
    )
    kept_seconds = services().settings.access.audit_days * _DAY_SECONDS
    g.act_id = services().audit.begin(act, kept_seconds=kept_seconds)


def _end(response: Response) -> Response:
    if "act_id" not in g:
        return response
    try:
        services().audit.end(g.act_id, _outcome(response.status_code), g.act_target)
    except CatalogUnavailable as error:
        # What was done stays done, and the entry says that its end is not known.
        log.warning("audit.unfinished", entry=g.act_id, error=str(error))
    return response


def _names() -> dict[str, str]:
    """Return what the address says the act is on."""
    words = {"name": "collection", "document_id": "document", "job_id": "job", "key_id": "key"}
    return {words.get(name, name): str(one) for name, one in (request.view_args or {}).items()}


def _outcome(status: int) -> str:
    if status < HTTPStatus.BAD_REQUEST:
        return "done"
    word = "refused" if status < HTTPStatus.INTERNAL_SERVER_ERROR else "failed"
    return f"{word} ({status})"


def _shortened(names: Mapping[str, str]) -> dict[str, str]:
    return {name: one[:_SHOWN_CHARACTERS] for name, one in names.items()}
