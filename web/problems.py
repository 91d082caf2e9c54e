"""Every error as an HTTP answer: problem details (RFC 9457) for the API, a page for people."""

import json
import re
from http import HTTPStatus

import structlog
from flask import Flask, Response, render_template, request
from pydantic import ValidationError
from werkzeug.exceptions import HTTPException, default_exceptions
from werkzeug.wrappers import Response as WerkzeugResponse

from shared import errors
from shared.errors import Fault, InvalidRequest, LaminaError, Overloaded, Retryable
from web import words

log = structlog.get_logger(__name__)

STATUS: dict[type[LaminaError], HTTPStatus] = {
    errors.InvalidRequest: HTTPStatus.UNPROCESSABLE_ENTITY,
    errors.InvalidDocument: HTTPStatus.UNPROCESSABLE_ENTITY,
    errors.KeyReused: HTTPStatus.CONFLICT,
    errors.TooLarge: HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    errors.FileRefused: HTTPStatus.UNPROCESSABLE_ENTITY,
    errors.NotFound: HTTPStatus.NOT_FOUND,
    errors.CollectionNotFound: HTTPStatus.NOT_FOUND,
    errors.DocumentNotFound: HTTPStatus.NOT_FOUND,
    errors.JobNotFound: HTTPStatus.NOT_FOUND,
    errors.ReceiptNotFound: HTTPStatus.NOT_FOUND,
    errors.VersionNotFound: HTTPStatus.NOT_FOUND,
    errors.TagNotFound: HTTPStatus.NOT_FOUND,
    errors.RebuildNotFound: HTTPStatus.NOT_FOUND,
    errors.KeyNotFound: HTTPStatus.NOT_FOUND,
    errors.DeadLetterNotFound: HTTPStatus.NOT_FOUND,
    errors.WebhookNotFound: HTTPStatus.NOT_FOUND,
    errors.DeliveryNotFound: HTTPStatus.NOT_FOUND,
    errors.MapNotFound: HTTPStatus.NOT_FOUND,
    # Named in a body, never in an address, so it is a value that is wrong.
    errors.EncoderNotInstalled: HTTPStatus.UNPROCESSABLE_ENTITY,
    errors.CollectionExists: HTTPStatus.CONFLICT,
    errors.CollectionInUse: HTTPStatus.CONFLICT,
    errors.RebuildUnderWay: HTTPStatus.CONFLICT,
    errors.VersionExpired: HTTPStatus.GONE,
    errors.OutOfSpace: HTTPStatus.INSUFFICIENT_STORAGE,
    errors.ArchiveRefused: HTTPStatus.UNPROCESSABLE_ENTITY,
    errors.Overloaded: HTTPStatus.TOO_MANY_REQUESTS,
    errors.RateLimited: HTTPStatus.TOO_MANY_REQUESTS,
    errors.ModelRefused: HTTPStatus.UNPROCESSABLE_ENTITY,
    errors.ModelUnavailable: HTTPStatus.SERVICE_UNAVAILABLE,
    errors.UnencodableDocument: HTTPStatus.UNPROCESSABLE_ENTITY,
    errors.CorruptFile: HTTPStatus.INTERNAL_SERVER_ERROR,
    errors.Fenced: HTTPStatus.INTERNAL_SERVER_ERROR,
    errors.ConfigurationError: HTTPStatus.INTERNAL_SERVER_ERROR,
    errors.Retryable: HTTPStatus.SERVICE_UNAVAILABLE,
    errors.VersionConflict: HTTPStatus.SERVICE_UNAVAILABLE,
    errors.SpaceChanged: HTTPStatus.SERVICE_UNAVAILABLE,
    errors.Busy: HTTPStatus.SERVICE_UNAVAILABLE,
    errors.CatalogUnavailable: HTTPStatus.SERVICE_UNAVAILABLE,
    errors.CommitUnknown: HTTPStatus.SERVICE_UNAVAILABLE,
    errors.BrokerUnavailable: HTTPStatus.SERVICE_UNAVAILABLE,
    errors.EncoderNotReady: HTTPStatus.SERVICE_UNAVAILABLE,
    errors.IndexUnavailable: HTTPStatus.SERVICE_UNAVAILABLE,
    errors.TooManyStreams: HTTPStatus.SERVICE_UNAVAILABLE,
}

RETRY_AFTER_SECONDS = 1
MACHINE_PATHS = ("/api/", "/openapi/", "/livez", "/readyz", "/version", "/metrics")
"""Addresses that programs read: their errors are problem details, never pages."""
_JSON = ("application/problem+json", "application/json")


def slug(name: str) -> str:
    """Return the last part of a problem's address: `CollectionNotFound`, `collection-not-found`."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "-", name).lower()


def explanations() -> dict[str, tuple[str, HTTPStatus, str]]:
    """Return title, status and explanation of every problem, by slug."""
    known = {
        slug(kind.__name__): (kind.title, status, kind.__doc__ or "")
        for kind, status in STATUS.items()
    }
    for code, http in default_exceptions.items():
        status = HTTPStatus(code)
        meaning = words.explained(code, http.description or "")
        known.setdefault(slug(http.__name__), (status.phrase, status, meaning))
    return known


def register(app: Flask) -> None:
    """Answer every error that a view or the framework raises."""
    app.register_error_handler(LaminaError, _lamina)
    app.register_error_handler(HTTPException, answer_http)


def refuse_invalid(error: ValidationError) -> Response:
    """Turn what pydantic found into one error with a pointer for each thing wrong.

    Raises:
        InvalidRequest: always.
    """
    faults = [
        Fault(_pointer(one["loc"]), words.of_value(one))
        for one in error.errors(include_url=False, include_input=False)
    ]
    first = faults[0]
    detail = f"{first.pointer}: {first.detail}." if first.pointer else f"{first.detail}."
    raise InvalidRequest(detail, faults)


def _pointer(location: tuple[str | int, ...]) -> str:
    return "".join(f"/{str(part).replace('~', '~0').replace('/', '~1')}" for part in location)


def _lamina(error: LaminaError) -> Response:
    status = STATUS[type(error)]
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        log.error("request.failed", path=request.path, kind=type(error).__name__, error=str(error))
    response = _answer(
        slug(type(error).__name__),
        error.title,
        status,
        error.detail,
        error.faults if isinstance(error, InvalidRequest) else (),
    )
    if isinstance(error, Overloaded):
        response.headers["Retry-After"] = str(error.retry_after_seconds)
    elif isinstance(error, Retryable):
        response.headers["Retry-After"] = str(RETRY_AFTER_SECONDS)
    return response


def answer_http(error: HTTPException) -> WerkzeugResponse:
    """Answer an error of the framework; a redirect stays one."""
    code = error.code or HTTPStatus.INTERNAL_SERVER_ERROR
    if code < HTTPStatus.BAD_REQUEST:  # a redirect that the router asks for
        return error.get_response()
    status = HTTPStatus(code)
    kind = default_exceptions.get(code, type(error))
    response = _answer(slug(kind.__name__), status.phrase, status, words.of_status(error))
    for name, value in error.get_headers():
        if name == "Allow":
            response.headers[name] = ", ".join(sorted(value.split(", ")))
        elif name != "Content-Type":
            response.headers[name] = value
    return response


def _answer(
    name: str, title: str, status: HTTPStatus, detail: str, faults: tuple[Fault, ...] = ()
) -> Response:
    if not _for_a_program():
        page = render_template(
            "error.html", title=title, status=status, detail=detail, slug=name, faults=faults
        )
        return Response(page, status, {"Vary": "Accept"}, mimetype="text/html")
    problem: dict[str, object] = {
        "type": f"/problems/{name}",
        "title": title,
        "status": int(status),
        "detail": detail,
        "instance": request.path,
    }
    if faults:
        problem["errors"] = [{"pointer": one.pointer, "detail": one.detail} for one in faults]
    # Escaped, since a pointer may hold what was wrong: half of a surrogate pair.
    headers = {} if request.path.startswith(MACHINE_PATHS) else {"Vary": "Accept"}
    return Response(json.dumps(problem), status, headers, mimetype="application/problem+json")


def _for_a_program() -> bool:
    """Whether whoever asks reads problem details: by the address, or because it asks for JSON."""
    if request.path.startswith(MACHINE_PATHS):
        return True
    wanted = request.accept_mimetypes.best_match(("text/html", *_JSON), "text/html")
    return wanted in _JSON
