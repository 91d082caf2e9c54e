"""What every blueprint of the API has: its prefix, the check of bodies, its documented errors."""

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

from flask import Response, request
from flask_openapi3.blueprint import APIBlueprint
from flask_openapi3.models.operation import Operation
from flask_openapi3.models.path_item import PathItem
from flask_openapi3.models.response import Response as OpenApiResponse
from flask_openapi3.models.tag import Tag
from pydantic import BaseModel
from werkzeug.exceptions import UnsupportedMediaType

from shared.errors import Fault, InvalidRequest

PREFIX = "/api/v1"
_WITH_BODY = frozenset({"POST", "PUT", "PATCH"})
_AT_THE_DOOR = (400, 421)
"""What any request may be answered before a view sees it."""
_OF_BODIES = (413, 415)
"""And what one with a body may."""


def make_blueprint(name: str, about: str, *, json_bodies: bool = True) -> APIBlueprint:
    """Return the blueprint of one noun; its bodies are JSON objects, or for its views to check."""
    blueprint = APIBlueprint(
        name,
        f"web.api.{name}",
        url_prefix=PREFIX,
        abp_tags=[Tag(name=name, description=about)],
        abp_security=[{"bearer": []}, {}],
        abp_responses=problem_responses(401, 403, 422, 429, 500, 503),
    )
    if json_bodies:
        blueprint.before_request(_check_body)
    return blueprint


def problem_responses(*codes: int) -> dict[Any, Any]:
    """Return the documentation of problem details with these statuses."""
    schema = {"$ref": "#/components/schemas/Problem"}
    return {
        str(code): {
            "description": HTTPStatus(code).phrase,
            "content": {"application/problem+json": {"schema": schema}},
        }
        for code in codes
    }


def document_door(paths: Mapping[str, PathItem]) -> None:
    """Document, of every operation, the refusals that come before its view."""
    door = _responses(_AT_THE_DOOR)
    of_bodies = door | _responses(_OF_BODIES)
    for item in paths.values():
        for method in ("get", "put", "post", "patch", "delete"):
            operation: Operation | None = getattr(item, method)
            if operation is not None:
                more = of_bodies if operation.requestBody else door
                operation.responses = {**more, **(operation.responses or {})}


def _responses(codes: Sequence[int]) -> dict[str, OpenApiResponse]:
    documented = problem_responses(*codes).items()
    return {code: OpenApiResponse.model_validate(what) for code, what in documented}


def answer(
    shape: BaseModel,
    status: HTTPStatus = HTTPStatus.OK,
    headers: Mapping[str, str] | None = None,
    *,
    leave_out: frozenset[str] = frozenset(),
) -> Response:
    """Return *shape* as JSON, without the fields named in *leave_out*."""
    text = shape.model_dump_json(by_alias=True, exclude=set(leave_out))
    return Response(text, status, headers, mimetype="application/json")


def _check_body() -> None:
    """Refuse a body that is not one JSON object before anything else reads it.

    Raises:
        UnsupportedMediaType, BadRequest, RequestEntityTooLarge, InvalidRequest
    """
    if request.method not in _WITH_BODY:
        return
    if request.headers.get("Content-Encoding", "identity").lower() != "identity":
        raise UnsupportedMediaType("Send the body without a `Content-Encoding`.")
    if not isinstance(request.get_json(), dict):
        raise InvalidRequest("The body must be a JSON object.", [Fault("", "must be an object")])
