"""Traces: what was asked for, from a request through the queue to the version that holds it.

The program marks its stages with OpenTelemetry's API, which does nothing until `start` has set up
an SDK (the extra `otel`). The context of a submission travels as its job's field `traceparent`,
so that a producer's own trace goes on here, and a batch shows in the trace of each job in it.
"""

import re
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager

from opentelemetry import context, propagate, trace

from shared.errors import ConfigurationError

TRACEPARENT = "traceparent"
"""Field of a W3C Trace Context (https://www.w3.org/TR/trace-context/), version 00."""

_FORM = re.compile(r"00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}", re.ASCII)
_NANOSECONDS = 1_000_000_000

_tracer = trace.get_tracer("lamina")


def start(role: str) -> None:
    """Send what is traced to where OpenTelemetry's own `OTEL_…` variables say.

    Call it in the process that works, after any fork.

    Raises:
        ConfigurationError: the extra `otel` is not installed.
    """
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter  # noqa: PLC0415
        from opentelemetry.sdk.resources import Resource  # noqa: PLC0415
        from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415
        from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: PLC0415
    except ImportError as error:
        raise ConfigurationError(
            "LAMINA_TRACING is on, but the extra `otel` is not installed: "
            "in Lamina's folder, .venv/bin/uv pip install -e '.[otel]'."
        ) from error
    resource = Resource.create({"service.name": "lamina", "service.instance.role": role})
    provider = TracerProvider(resource=resource)
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    trace.set_tracer_provider(provider)


def stop() -> None:
    """Send what is left; for a process that ends without the interpreter's own end."""
    if end := getattr(trace.get_tracer_provider(), "shutdown", None):
        end()


def is_on() -> bool:
    """Whether anybody keeps what is traced now."""
    return trace.get_current_span().is_recording()


@contextmanager
def stage(name: str, *, parent: str | None = None, **attributes: str | int) -> Iterator[None]:
    """Trace what happens in the block.

    Args:
        name: what it is.
        parent: traceparent of what asked for it; by default the stage around it.
        attributes: what else to keep of it.
    """
    around = _context(parent) if is_traceparent(parent) else None
    with _tracer.start_as_current_span(name, context=around, attributes=_named(attributes)):
        yield


def link(traceparents: Iterable[str]) -> None:
    """Say what the stage at work, of a batch, is done for."""
    here = trace.get_current_span()
    for one in traceparents:
        here.add_link(trace.get_current_span(_context(one)).get_span_context())


def carried() -> str | None:
    """Return the traceparent of the stage at work, or None if it is not traced."""
    carrier: dict[str, str] = {}
    propagate.inject(carrier)
    return carrier.get(TRACEPARENT)


def tell(name: str, parent: str, *, began: float, **attributes: str | int) -> None:
    """Trace a stage that began at *began* (UNIX seconds) and ends now, in the trace of *parent*."""
    start = int(began * _NANOSECONDS)
    span = _tracer.start_span(
        name, context=_context(parent), start_time=start, attributes=_named(attributes)
    )
    span.end(max(time.time_ns(), start))  # *began* is by the catalog's clock


def is_traceparent(value: object) -> bool:
    """Whether *value* is a traceparent that can be gone on with."""
    return isinstance(value, str) and _FORM.fullmatch(value) is not None


def _context(traceparent: str | None) -> context.Context:
    return propagate.extract({TRACEPARENT: traceparent or ""})


def _named(attributes: Mapping[str, str | int]) -> Mapping[str, str | int]:
    return {f"lamina.{name}": value for name, value in attributes.items()}
