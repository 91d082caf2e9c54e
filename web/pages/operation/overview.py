"""`/operation`: what happens now and what happened in the last hour."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

from flask import Response, jsonify, render_template

from shared.domain import FileQueue, Lane, Process, RebuildState
from shared.measures.history import Point, points
from shared.services import Services
from shared.waiting.forecast import ALIVE_SECONDS
from shared.words import about, size
from web.context import services
from web.formats import duration
from web.pages.operation.tabs import blueprint

_MOST_COUNTED = 10_000
_KINDS = ("web", "index", "upkeep", "parser")
"""Processes without which an installation does not do its work."""

_LONG_SECONDS = 600.0
"""A document that waited for so long is worth a look."""

Values: TypeAlias = "Sequence[float | None]"


@dataclass(frozen=True, slots=True, kw_only=True)
class Plot:
    """One plot: what it shows, and the same in words."""

    key: str
    title: str
    unit: str
    """`/s`, `s`, or nothing for a number of things."""
    about: str
    series: Mapping[str, Values]
    summary: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Now:
    """How it is just now."""

    waiting: int
    claimed: int
    oldest_seconds: float
    processes: Sequence[Process]
    dead_letters: int
    damages: int
    free_bytes: int | None
    floor_bytes: int
    """Free space below which nothing new is taken."""
    behind: int
    """Versions that the slowest reader lags."""
    files: FileQueue
    rebuilds: int
    """Under way."""
    blocked: Sequence[str]
    """Names of collections whose rebuild cannot go on by itself."""

    @property
    def attention(self) -> Sequence[tuple[str, str]]:
        """What should be looked at, and the endpoint of the page that says more."""
        return list(_attention(self))


@blueprint.get("")
def overview() -> str:
    """Show how it is now, and plots of the last hour."""
    it = services()
    return render_template(
        "operation/overview.html",
        now=_now(it),
        plots=_plots(_points(it)),
        seconds=it.settings.metrics.reading_seconds,
    )


@blueprint.get("/now")
def now() -> str:
    """Return the part of the page that tells how it is now."""
    return render_template("operation/_now.html", now=_now(services()))


def standing(it: Services, arguments: Mapping[str, str]) -> object:  # noqa: ARG001 - there is one
    """Return what the part of the page that tells how it is now is made of, for `/live`."""
    seen = _now(it)
    # Without what changes all the time by itself.
    still = replace(seen, oldest_seconds=0.0, free_bytes=None, processes=())
    return still, sorted(one.name for one in seen.processes), seen.attention


@blueprint.get("/plots")
def plots() -> Response:
    """Return the plots as JSON: `at` in seconds since 1970, values of each series beside it."""
    found = _points(services())
    return jsonify(
        at=[round(one.at, 1) for one in found],
        plots={
            one.key: {"summary": one.summary, "unit": one.unit, "series": dict(one.series)}
            for one in _plots(found)
        },
    )


def _points(it: Services) -> Sequence[Point]:
    return points(it.history.readings(within_seconds=it.settings.metrics.history_seconds))


def _plots(found: Sequence[Point]) -> Sequence[Plot]:
    return (
        _plot(
            "throughput",
            "Throughput",
            "/s",
            "Documents that workers brought to an end.",
            {
                "indexed": [one.documents_per_second for one in found],
                "failed": [one.failed_per_second for one in found],
            },
        ),
        _plot(
            "backlog",
            "Backlog",
            "",
            "Documents that no worker holds yet, by lane.",
            _by_lane(found, lambda one: one.backlog),
        ),
        _plot(
            "oldest",
            "Age of the oldest",
            "s",
            "How long the oldest of them has waited, by lane.",
            _by_lane(found, lambda one: one.oldest_seconds),
        ),
        _plot(
            "searchable",
            "Time to searchable",
            "s",
            "From acceptance until a search could find it; of the minute before.",
            _halves([one.searchable for one in found]),
        ),
        _plot(
            "search",
            "Search latency",
            "s",
            "What searches took, without the network; of the minute before.",
            _halves([one.searched for one in found]),
        ),
        _plot(
            "searches",
            "Searches",
            "/s",
            "How many were answered.",
            {"searches": [one.searches_per_second for one in found]},
        ),
    )


def _plot(key: str, title: str, unit: str, about_it: str, series: Mapping[str, Values]) -> Plot:
    summary = "\n".join(_summary(name, values, unit) for name, values in series.items())
    return Plot(key=key, title=title, unit=unit, about=about_it, series=series, summary=summary)


def _summary(name: str, values: Values, unit: str) -> str:
    known = [one for one in values if one is not None]
    if not known:
        return f"{name}: nothing to tell."
    if not any(known):
        return f"{name}: none."
    last = "none" if values[-1] is None else _written(values[-1], unit)
    mean = _written(sum(known) / len(known), unit)
    return f"{name}: {last} now, {mean} on average, {_written(max(known), unit)} at most."


def _written(value: float, unit: str) -> str:
    if unit == "s":
        return duration(value) if value else "0 s"
    return f"{value:,.1f}{unit}" if unit else f"{value:,.0f}"


def _by_lane(
    found: Sequence[Point], of: Callable[[Point], Mapping[str, float]]
) -> Mapping[str, Values]:
    return {lane.name.lower(): [of(one).get(lane.name.lower()) for one in found] for lane in Lane}


def _halves(values: Sequence[tuple[float, float] | None]) -> Mapping[str, Values]:
    return {
        "half (p50)": [one and one[0] for one in values],
        "95 % (p95)": [one and one[1] for one in values],
    }


def _now(it: Services) -> Now:
    backlog, rebuilds = it.roster.backlog(), it.rebuilding.value()
    processes = it.roster.processes(within_seconds=ALIVE_SECONDS)
    return Now(
        waiting=int(backlog["pending"]),
        claimed=int(backlog["claimed"]),
        oldest_seconds=backlog["oldest"],
        processes=processes,
        dead_letters=it.dead_letters.count(most=_MOST_COUNTED),
        damages=len(it.chores.damages()),
        free_bytes=it.files.free_bytes(),
        floor_bytes=it.settings.storage.min_free_bytes,
        behind=max((one.condition.behind for one in processes), default=0),
        files=it.waiting.files(),
        rebuilds=len(rebuilds),
        blocked=[
            it.collections.by_id(one.collection_id).name
            for one in rebuilds
            if one.state is RebuildState.BLOCKED
        ],
    )


def _attention(now: Now) -> Iterator[tuple[str, str]]:
    yield from _of_processes(now)
    yield from _of_work(now)
    if now.damages:
        yield f"{now.damages:,} damaged index files are in quarantine.", "operation.health"
    if now.free_bytes is not None and now.free_bytes < now.floor_bytes:
        yield f"Only {size(now.free_bytes)} are free: nothing new is taken.", "operation.health"


def _of_processes(now: Now) -> Iterator[tuple[str, str]]:
    kinds = {one.kind for one in now.processes}
    for kind in _KINDS:
        if kind not in kinds:
            yield f"No {kind} process is alive.", "operation.processes"
    for one in now.processes:
        if one.condition.trouble:
            yield f"{one.kind} {one.name}: {one.condition.trouble}", "operation.processes"


def _of_work(now: Now) -> Iterator[tuple[str, str]]:
    if now.waiting and now.oldest_seconds > _LONG_SECONDS:
        yield f"The oldest document has waited {about(now.oldest_seconds)}.", "operation.why"
    if now.files.oldest_seconds > _LONG_SECONDS:
        waited = about(now.files.oldest_seconds)
        yield f"A file has waited {waited} to be read.", "operation.processes"
    for name in now.blocked:
        yield f"The rebuild of {name} cannot go on by itself.", "operation.health"
    if now.dead_letters:
        many = f"{now.dead_letters:,}" + ("" if now.dead_letters < _MOST_COUNTED else " or more")
        words = "document or message" if now.dead_letters == 1 else "documents or messages"
        yield f"{many} {words} failed or refused.", "operation.letters"
