"""When waiting documents will be done, from the speed that was measured."""

import itertools
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from shared.domain import Estimate, FinishedClaim, Holder, JobPlace, Load, Outline, Place, Speed
from shared.gauge import Gauge
from shared.ports import Roster, Waiting

ALIVE_SECONDS = 15.0
"""A process that said nothing for this long counts as gone."""
_CLAIMS = 64
"""Newest claims that the speed is measured by: of two workers, the last minutes."""


class Forecast:
    """Estimates for jobs. What they are made of is read at most once a second. For many threads."""

    def __init__(self, waiting: Waiting, roster: Roster) -> None:
        self._waiting = waiting
        self._roster = roster
        self._outline = Gauge(waiting.outline)
        self._pace = Gauge(self._read_pace)

    def estimates(self, job_ids: Sequence[str]) -> Mapping[str, Estimate]:
        """Return when the last document of each job will be done.

        Jobs that are finished are missing; so are all where nothing was measured yet, or no
        index worker works.
        """
        return self._at(self._waiting.places(job_ids)) if job_ids else {}

    def estimate(self, place: JobPlace) -> Estimate | None:
        """Return when what is at *place* will be done; None where `estimates` gives none."""
        return self._at({"": place}).get("")

    def _at(self, places: Mapping[str, JobPlace]) -> Mapping[str, Estimate]:
        pace = self._pace.value()
        if not pace or not places:
            return {}
        queue = Queue(*self._outline.reading())
        claims = left_of(self._waiting.holders(), pace, self._roster.now())
        return {name: estimate(place, queue, claims, pace) for name, place in places.items()}

    def documents_per_second(self) -> float | None:
        """Return how fast all workers go together; None where that is not known."""
        pace = self._pace.value()
        return pace.speed.documents_per_second * pace.workers if pace else None

    def _read_pace(self) -> "Pace | None":
        speed = measure(self._waiting.finished(_CLAIMS))
        processes = self._roster.processes(within_seconds=ALIVE_SECONDS)
        working = [one for one in processes if one.kind == "index" and not one.condition.trouble]
        return Pace(speed, len(working)) if speed and working else None


@dataclass(frozen=True, slots=True)
class Pace:
    """How fast the queue drains."""

    speed: Speed
    workers: int

    @property
    def of_one(self) -> float:
        """What one worker gets through in a second, as `Load.cost` counts."""
        return self.speed.load.cost / self.speed.seconds

    @property
    def of_all(self) -> float:
        """What all workers get through in a second."""
        return self.of_one * self.workers


@dataclass(frozen=True, slots=True)
class Queue:
    """The queue as it was some seconds ago."""

    outline: Outline
    age_seconds: float


@dataclass(frozen=True, slots=True)
class Left:
    """What is left to do of a claim that is under way."""

    load: Load
    cost: float


def measure(claims: Sequence[FinishedClaim]) -> Speed | None:
    """Return the speed of one worker in these claims; None if they tell nothing.

    A worker that lets urgent work pass holds two claims at once; that time counts once.
    """
    spans: dict[str, list[tuple[float, float]]] = defaultdict(list)
    for one in claims:
        spans[one.worker].append((one.claimed_at, one.ended_at))
    seconds = sum(_covered(several) for several in spans.values())
    if seconds <= 0:
        return None
    return Speed(
        seconds=seconds,
        claims=len(claims),
        load=sum((one.load for one in claims), Load()),
        tokens=sum(one.tokens for one in claims),
    )


def left_of(holders: Sequence[Holder], pace: Pace, now: float) -> Mapping[int, Left]:
    """Return what is left of each claim by its id, if its worker is as fast as the others."""
    return {
        one.id: Left(one.load, max(one.load.cost - (now - one.claimed_at) * pace.of_one, 0.0))
        for one in holders
    }


def estimate(place: JobPlace, queue: Queue, claims: Mapping[int, Left], pace: Pace) -> Estimate:
    """Return when the last document at *place* will be done.

    One that is claimed is done with its claim; one that waits, when all before it and the
    claim that it will be in is done.
    """
    if place.rest is not None:
        return _after_all(place.rest, queue, claims, pace)
    if place.last is None:
        mine = [claims[claim] for claim in place.claims if claim in claims]
        load = sum((one.load for one in mine), Load())
        seconds = max((one.cost for one in mine), default=0.0) / pace.of_one
        return Estimate(seconds=seconds, load=load, workers=pace.workers, speed=pace.speed)
    before, after = split(queue.outline, place.last, place.characters)
    own_claim = min(after.cost, pace.speed.load.cost / pace.speed.claims / 2)
    todo = before.cost + sum(one.cost for one in claims.values()) + own_claim
    return Estimate(
        seconds=max(todo / pace.of_all - queue.age_seconds, 0.0),
        load=sum((one.load for one in claims.values()), before),
        workers=pace.workers,
        speed=pace.speed,
    )


def _after_all(rest: Load, queue: Queue, claims: Mapping[int, Left], pace: Pace) -> Estimate:
    """Return when *rest* will be done that comes after all that waits."""
    waiting = sum((one.load for one in queue.outline.stretches), Load())
    todo = waiting.cost + rest.cost + sum(one.cost for one in claims.values())
    return Estimate(
        seconds=max(todo / pace.of_all - queue.age_seconds, 0.0),
        load=waiting + rest,
        workers=pace.workers,
        speed=pace.speed,
    )


def split(outline: Outline, place: Place, characters: int) -> tuple[Load, Load]:
    """Return what waits up to a document at *place*, itself included, and what waits after it.

    Inside a stretch of turns the load is taken to be spread evenly.
    """
    before = Load(documents=1, characters=characters)
    whole = Load()
    for one in outline.stretches:
        whole += one.load
        if (one.lane, one.end) <= (place.lane, place.turn):
            before += one.load
        elif one.lane == place.lane and one.first < place.turn:
            before += _part(one.load, (place.turn - one.first) / (one.end - one.first))
    after = Load(
        documents=max(whole.documents - before.documents, 0),
        characters=max(whole.characters - before.characters, 0),
    )
    return before, after


def _part(load: Load, share: float) -> Load:
    return Load(documents=round(load.documents * share), characters=round(load.characters * share))


def _covered(spans: Sequence[tuple[float, float]]) -> float:
    """Return how much of the line is covered by *spans*, overlaps counted once."""
    ordered = sorted(spans)
    ends = itertools.accumulate((end for _, end in ordered), max)
    reached = ordered[0][0]
    covered = 0.0
    for (start, _), end in zip(ordered, ends, strict=True):
        covered += max(end - max(start, reached), 0.0)
        reached = max(reached, end)
    return covered
