"""`/api`: the API's documentation, from its own OpenAPI document, without the network."""

from importlib.resources import files
from typing import cast

from flask import (
    Blueprint,
    Response,
    current_app,
    jsonify,
    make_response,
    render_template,
    send_from_directory,
)
from flask_openapi3.openapi import OpenAPI

from web.security import CONTENT_SECURITY_POLICY

blueprint = Blueprint("docs", __name__)

# Swagger UI writes style attributes, which a strict policy forbids; scripts stay strict.
_POLICY = CONTENT_SECURITY_POLICY.replace("style-src 'self'", "style-src 'self' 'unsafe-inline'")


@blueprint.get("/api")
def show() -> Response:
    """Show every route of the API, to read and to try."""
    response = make_response(render_template("api.html"))
    response.headers["Content-Security-Policy"] = _POLICY
    return response


@blueprint.get("/openapi/openapi.json")
def document() -> Response:
    """Return the OpenAPI 3.1 document."""
    described = cast("OpenAPI", current_app).api_doc
    for path in described["paths"].values():
        for operation in path.values():
            if "requestBody" in operation:
                # The framework says so of JSON only.
                operation["requestBody"]["required"] = True
    return jsonify(described)


@blueprint.get("/openapi/swagger/<path:name>")
def swagger(name: str) -> Response:
    """Return a file of Swagger UI."""
    folder = files("flask_openapi3_swagger") / "templates" / "swagger"
    return send_from_directory(str(folder), name)
