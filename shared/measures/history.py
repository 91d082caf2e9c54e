"""What happened lately, from readings that upkeep takes every few seconds."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate

from shared.domain import Lane, Reading, Series
from shared.gauge import Gauge
from shared.measures import instruments as measured
from shared.measures.instruments import Instrument
from shared.measures.quantiles import quantile
from shared.measures.tally import BORDER, BUCKET
from shared.ports import History, Measures, Waiting

_WINDOW_SECONDS = 60.0
"""Over how long before each moment quantiles are taken: ten seconds hold too few values."""
_DONE = ("indexed", "unchanged")
_FAILED = "failed"
_MEDIAN, _HIGH = 0.5, 0.95


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorder:
    """Takes readings."""

    history: History
    measures: Measures
    lanes: Gauge[Mapping[str, tuple[int, float]]]
    """Documents waiting, and age of the oldest, by lane."""
    every_seconds: float
    kept_seconds: float

    @classmethod
    def of(
        cls,
        history: History,
        measures: Measures,
        waiting: Waiting,
        *,
        every_seconds: float,
        kept_seconds: float,
    ) -> "Recorder":
        """Return a recorder that looks at what waits no more often than it is worth."""
        return cls(
            history=history,
            measures=measures,
            lanes=Gauge(lambda: _lanes(waiting)),
            every_seconds=every_seconds,
            kept_seconds=kept_seconds,
        )

    def take(self) -> bool:
        """Take a reading now; there is never more to do at once.

        Raises:
            Retryable: the catalog is away: this reading is missing, and the next one tells what
                happened meanwhile.
        """
        lanes = self.lanes.value()
        reading = Reading(
            at=0.0,
            sums=dict(_sums(self.measures.sums())),
            backlog={lane: documents for lane, (documents, _) in lanes.items()},
            oldest_seconds={lane: round(oldest, 3) for lane, (_, oldest) in lanes.items()},
        )
        self.history.keep(reading, every_seconds=self.every_seconds, kept_seconds=self.kept_seconds)
        return False


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """What happened up to one moment."""

    at: float
    documents_per_second: float
    """Indexed, since the point before."""
    failed_per_second: float
    searches_per_second: float
    tokens_per_second: float
    backlog: Mapping[str, int]
    oldest_seconds: Mapping[str, float]
    searchable: tuple[float, float] | None
    """Seconds from acceptance until half, and 95 %, of the documents of the last minute could be
    found; None where there were none."""
    searched: tuple[float, float] | None
    """Seconds that half, and 95 %, of the searches of the last minute took."""


def points(readings: Sequence[Reading]) -> Sequence[Point]:
    """Return what happened between readings, which are in the order of their times."""
    found = []
    first = 0
    for place in range(1, len(readings)):
        now = readings[place]
        while readings[first + 1].at <= now.at - _WINDOW_SECONDS:
            first += 1
        found.append(_point(readings[place - 1], now, window=readings[first]))
    return found


def _point(before: Reading, now: Reading, *, window: Reading) -> Point:
    seconds = max(now.at - before.at, 1e-3)

    def rate(name: str) -> float:
        return round(_grown(before, now, name) / seconds, 3)

    return Point(
        at=now.at,
        documents_per_second=rate("documents"),
        failed_per_second=rate("failed"),
        searches_per_second=rate("searches"),
        tokens_per_second=rate("tokens"),
        backlog=now.backlog,
        oldest_seconds=now.oldest_seconds,
        searchable=_quantiles(window, now, "searchable", measured.SEARCHABLE),
        searched=_quantiles(window, now, "search", measured.SEARCH_STAGE),
    )


def _quantiles(
    before: Reading, now: Reading, name: str, histogram: Instrument
) -> tuple[float, float] | None:
    borders = (*histogram.buckets, float("inf"))
    counts = accumulate(_grown(before, now, f"{name}:{border}") for border in borders)
    upto = dict(zip(borders, counts, strict=True))
    median, high = quantile(_MEDIAN, upto), quantile(_HIGH, upto)
    return None if median is None or high is None else (round(median, 4), round(high, 4))


def _grown(before: Reading, now: Reading, name: str) -> float:
    # Of a catalog loaded from a backup sums may be smaller than before.
    return max(0.0, now.sums.get(name, 0.0) - before.sums.get(name, 0.0))


def _sums(sums: Mapping[Series, float]) -> Iterator[tuple[str, float]]:
    """Yield the sums that are plotted, under short names."""
    outcomes = {
        dict(one.labels)["outcome"]: value
        for one, value in sums.items()
        if one.name == measured.DOCUMENTS.name
    }
    yield "documents", sum(outcomes.get(one, 0.0) for one in _DONE)
    yield "failed", outcomes.get(_FAILED, 0.0)
    yield "tokens", sums.get(Series(measured.TOKENS.name), 0.0)
    searches = dict(_buckets(sums, measured.SEARCH_STAGE, stage="total"))
    yield "searches", sum(searches.values())
    yield from ((f"search:{border}", count) for border, count in searches.items())
    for border, count in _buckets(sums, measured.SEARCHABLE):
        yield f"searchable:{border}", count


def _buckets(
    sums: Mapping[Series, float], histogram: Instrument, **labels: str
) -> Iterator[tuple[float, float]]:
    for one, count in sums.items():
        said = dict(one.labels)
        if one.name == histogram.name + BUCKET and labels.items() <= said.items():
            yield float(said[BORDER]), count


def _lanes(waiting: Waiting) -> Mapping[str, tuple[int, float]]:
    found = {one.lane: (one.load.documents, one.oldest_seconds) for one in waiting.lanes()}
    return {lane.name.lower(): found.get(lane, (0, 0.0)) for lane in Lane}
