"""How pages write times, sizes and scores."""

import time
from datetime import UTC, datetime

from flask import Flask
from markupsafe import Markup

from shared.domain import Metric, State, rfc3339
from shared.waiting.words import about

_MINUTE, _HOUR, _DAY = 60, 3600, 86400
_KIBI = 1024
_SECOND_MS = 1000

STATE_WORDS = {
    State.PENDING: "waiting",
    State.CLAIMED: "being encoded",
    State.INDEXED: "searchable",
    State.UNCHANGED: "unchanged",
    State.SUPERSEDED: "replaced by a newer revision",
    State.FAILED: "failed",
    State.CANCELLED: "cancelled",
    State.WITHDRAWN: "withdrawn by a restore",
}
"""What a state means to a person."""


def ago(seconds: float) -> str:
    """Return how long ago a time was, in words."""
    age = time.time() - seconds
    if age < 2:  # noqa: PLR2004 - clocks of two machines differ by about as much
        return "just now"
    if age < _MINUTE:
        return f"{age:.0f} seconds ago"
    if age < _HOUR:
        return _plural(int(age // _MINUTE), "minute") + " ago"
    if age < _DAY:
        return _plural(int(age // _HOUR), "hour") + " ago"
    return _plural(int(age // _DAY), "day") + " ago"


def moment(seconds: float | None) -> Markup:
    """Return a time as an element: the age to read, the exact time to hover over."""
    if seconds is None:
        return Markup('<span class="quiet">not yet</span>')
    exact = datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    return Markup('<time datetime="{}" title="{}">{}</time>').format(
        rfc3339(seconds), exact, ago(seconds)
    )


def number(value: float) -> str:
    """Return a whole number with thousands apart."""
    return f"{value:,.0f}"


def size(count: int) -> str:
    """Return a number of bytes in the unit that fits."""
    value = float(count)
    for unit in ("bytes", "KiB", "MiB", "GiB"):
        if value < _KIBI:
            return f"{value:.0f} {unit}" if unit == "bytes" else f"{value:.1f} {unit}"
        value /= _KIBI
    return f"{value:.1f} TiB"


def span(start: float | None, end: float | None) -> str:
    """Return the time between two stages, or a dash while one is missing."""
    if start is None or end is None:
        return "\N{EN DASH}"
    milliseconds = max(0.0, 1000 * (end - start))
    if milliseconds < _SECOND_MS:
        return f"{milliseconds:.0f} ms"
    return f"{milliseconds / _SECOND_MS:.1f} s"


def score(value: float, metric: Metric) -> str:
    """Return a score with as many digits as tell hits apart."""
    return f"{value:.3f}" if metric is Metric.COSINE else f"{value:.4g}"


def plural(count: int, noun: str) -> str:
    """Return `1 document`, `2 documents`."""
    return _plural(count, noun)


def _plural(count: int, noun: str) -> str:
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"


def register(app: Flask) -> None:
    """Make the formats known to templates."""
    for function in (about, ago, moment, number, size, span, score, plural):
        app.jinja_env.filters[function.__name__] = function
    app.jinja_env.globals["state_words"] = STATE_WORDS
    app.jinja_env.trim_blocks = True
    app.jinja_env.lstrip_blocks = True
