"""How pages write times, sizes and scores."""

import time
from collections.abc import Callable
from datetime import UTC, datetime

from flask import Flask
from markupsafe import Markup

from shared.domain import Metric, State, rfc3339
from shared.words import about, counted, size
from web.marking import marked

_MINUTE, _HOUR, _DAY = 60, 3600, 86400
_SECOND_MS = 1000
_OPENING_CHARACTERS = 80
_LOOKED_AT = 1000

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
        return counted(int(age // _MINUTE), "minute") + " ago"
    if age < _DAY:
        return counted(int(age // _HOUR), "hour") + " ago"
    return counted(int(age // _DAY), "day") + " ago"


def moment(seconds: float | None) -> Markup:
    """Return a time as an element: the age to read, the exact time to hover over."""
    if seconds is None:
        return Markup('<span class="quiet">not yet</span>')
    exact = datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    return Markup('<time datetime="{}" title="{}">{}</time>').format(
        rfc3339(seconds), exact, ago(seconds)
    )


def iso(seconds: float) -> str:
    """Return a time as machines read it."""
    return rfc3339(seconds)


def day(seconds: float) -> str:
    """Return the date of a time."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d")


def number(value: float) -> str:
    """Return a whole number with thousands apart."""
    return f"{value:,.0f}"


def _digits(value: float, whole_from: float) -> str:
    """Return a number with one decimal, and without from *whole_from* on."""
    return f"{value:.1f}" if value < whole_from else f"{value:.0f}"


def span(start: float | None, end: float | None) -> str:
    """Return the time between two stages, or a dash while one is missing."""
    if start is None or end is None:
        return "\N{EN DASH}"
    return duration(max(0.0, end - start))


def duration(seconds: float) -> str:
    """Return how long something took."""
    if seconds < 1:
        return f"{_SECOND_MS * seconds:.0f} ms"
    return f"{_digits(seconds, 10)} s" if seconds < 2 * _MINUTE else about(seconds)


def called(title: str, text: str, document_id: str) -> str:
    """Return what to call a document: by its title, else by its first words, else by its id."""
    return title.strip() or _opening(text) or document_id


def _opening(text: str) -> str:
    """Return the first words of a text, on one line."""
    words = " ".join(text[:_LOOKED_AT].split())
    if len(words) <= _OPENING_CHARACTERS:
        return words
    cut = words[:_OPENING_CHARACTERS]
    whole = cut.rpartition(" ")[0]
    # Some scripts have no spaces, and a word may be as long as it likes.
    shown = whole if len(whole) > _OPENING_CHARACTERS // 2 else cut
    return f"{shown.rstrip(' ,;:.-')}\N{HORIZONTAL ELLIPSIS}"


def score(value: float, metric: Metric) -> str:
    """Return a score with as many digits as tell hits apart."""
    return f"{value:.3f}" if metric is Metric.COSINE else f"{value:.4g}"


def share(value: float, best: float, metric: Metric) -> float:
    """Return how long a score's bar is, 0 to 1; see `bar_words`."""
    if metric is Metric.COSINE:
        return min(1.0, max(0.0, value))
    larger, smaller = (best, value) if metric.higher_is_better else (value, best)
    return min(1.0, max(0.0, smaller / larger)) if larger > 0 else 1.0


def bar_words(metric: Metric) -> str:
    """Return what the bar beside a score shows, as the rest of a sentence about it."""
    if metric is Metric.COSINE:
        return ": 1 says the same, 0 has nothing to do with it."
    return "; the bar shows it beside that of the first result on the page."


_FILTERS: tuple[Callable[..., object], ...] = (
    about,
    ago,
    bar_words,
    counted,
    day,
    duration,
    iso,
    moment,
    number,
    score,
    share,
    size,
    span,
)


def register(app: Flask) -> None:
    """Make the formats known to templates."""
    app.jinja_env.filters.update((one.__name__, one) for one in _FILTERS)
    app.jinja_env.globals["state_words"] = STATE_WORDS
    app.jinja_env.globals["marked"] = marked
    app.jinja_env.globals["called"] = called
    app.jinja_env.trim_blocks = True
    app.jinja_env.lstrip_blocks = True
