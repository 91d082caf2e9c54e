"""The HTTP API, version 1: JSON in, use cases, JSON out."""

from flask_openapi3.models.security_scheme import SecurityScheme
from flask_openapi3.openapi import OpenAPI
from flask_openapi3.types import SecuritySchemesDict
from flask_wtf.csrf import CSRFProtect

from web import metrics
from web.api import (
    aliases,
    audit,
    bulk,
    collections,
    dead_letters,
    documents,
    events,
    files,
    health,
    jobs,
    keys,
    maintenance,
    maps,
    receipts,
    samples,
    search,
    system,
    versions,
    webhooks,
    why,
)
from web.api.routing import document_door

DESCRIPTION = (
    "A self-hosted semantic index: hand documents in, find them by meaning a second later. "
    "Errors are `application/problem+json` (RFC 9457). Times are RFC 3339 in UTC."
)
SECURITY_SCHEMES: SecuritySchemesDict = {
    "bearer": SecurityScheme(
        type="http",
        scheme="bearer",
        description="An API key; only asked for when one is set or was made.",
    )
}
_BLUEPRINTS = (
    collections.blueprint,
    aliases.blueprint,
    webhooks.blueprint,
    versions.blueprint,
    documents.blueprint,
    files.blueprint,
    files.preview_blueprint,
    bulk.blueprint,
    search.blueprint,
    samples.blueprint,
    jobs.blueprint,
    why.blueprint,
    events.blueprint,
    receipts.blueprint,
    dead_letters.blueprint,
    maps.blueprint,
    maintenance.blueprint,
    keys.blueprint,
    audit.blueprint,
    system.blueprint,
    health.blueprint,
    metrics.blueprint,
)


def register(app: OpenAPI, csrf: CSRFProtect) -> None:
    """Add every route of the API to *app*.

    The API takes no CSRF token: it reads JSON only, refuses foreign origins, and its key is a
    header that no browser adds by itself.
    """
    for blueprint in _BLUEPRINTS:
        csrf.exempt(blueprint)
        app.register_api(blueprint)
    document_door(app.paths)
