"""HTTP in, use cases, JSON or HTML out."""

from flask_openapi3.models.info import Info
from flask_openapi3.openapi import OpenAPI
from flask_wtf.csrf import CSRFProtect
from werkzeug.routing import BaseConverter

from shared.product import product_version
from shared.services import Services, open_services
from shared.settings import Settings
from web import (
    access,
    api,
    arrivals,
    formats,
    metering,
    metrics,
    pages,
    problems,
    rates,
    record,
    request_ids,
    security,
    sessions,
)
from web.api.models.problems import Problem
from web.background import Background
from web.strictjson import StrictJson, StrictRequest


class AnythingConverter(BaseConverter):
    """The rest of an address as it is, slashes at either end and doubled ones included."""

    regex = ".+"
    part_isolating = False


class Lamina(OpenAPI):
    """The application, strict about the JSON it reads."""

    json_provider_class = StrictJson
    request_class = StrictRequest


def create_app(services: Services | None = None) -> Lamina:
    """Build the web application on *services*, by default the real ones.

    Starts no thread: `web.serve.boot` does, after the fork.

    Raises:
        ConfigurationError: reachable from other machines without an admin key.
    """
    services = services or open_services(Settings())
    settings = services.settings
    settings.check_exposure()
    app = Lamina(
        __name__,
        info=Info(title="Lamina", version=product_version(), description=api.DESCRIPTION),
        security_schemes=api.SECURITY_SCHEMES,
        validation_error_model=Problem,
        validation_error_callback=problems.refuse_invalid,
        doc_ui=False,
    )
    app.config.update(
        MAX_CONTENT_LENGTH=settings.limits.request_bytes,
        MAX_FORM_MEMORY_SIZE=settings.limits.request_bytes,
        VERSION=product_version(),
        WTF_CSRF_TIME_LIMIT=None,  # a form may stay open; the token lives as long as the session
    )
    app.url_map.merge_slashes = False  # a document id may hold two slashes in a row
    app.url_map.converters["anything"] = AnythingConverter
    app.extensions["services"] = services
    app.extensions["background"] = Background(services)
    security.trust_proxies(app, settings.web.proxies)
    request_ids.register(app)
    metering.register(app, services)
    metrics.register(app, services)
    formats.register(app)
    problems.register(app)
    security.register(app, settings)
    sessions.register(app, settings)
    rates.register(app, settings)
    access.register(app)
    arrivals.register(app)
    csrf = CSRFProtect(app)
    record.register(app)
    api.register(app, csrf)
    pages.register(app)
    return app


__all__ = ["create_app"]
