"""A span for each request, from OpenTelemetry's own instrumentation of Flask."""

from flask import Flask

_UNTRACED = r"/livez,/readyz,/metrics,/static,/live\?part="
"""What is asked for all the time and says nothing (regular expressions, in addresses)."""


def register(app: Flask) -> None:
    """Trace the requests of *app*; a `traceparent` that a client sends is gone on with."""
    # Only where it is asked for, since it is part of the extra `otel`.
    from opentelemetry.instrumentation.flask import FlaskInstrumentor  # noqa: PLC0415

    FlaskInstrumentor().instrument_app(  # type: ignore[no-untyped-call]
        app, excluded_urls=_UNTRACED
    )
