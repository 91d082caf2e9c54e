"""A queue and its workers in simulated time: the truth that estimates are compared with."""

import heapq
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import cast

from shared.domain import (
    Condition,
    FinishedClaim,
    Holder,
    JobPlace,
    Load,
    Outline,
    Place,
    Process,
    Stretch,
)
from shared.ports import Roster, Waiting
from shared.ports.lookup import NOTHING_SAID
from shared.waiting.forecast import Forecast

CHARACTERS_PER_SECOND = 9_000.0
DOCUMENT_SECONDS = 0.008
CLAIM_SECONDS = 0.1
"""To take a claim and to publish it, whatever is in it."""


@dataclass(frozen=True, slots=True, order=True)
class Item:
    """A document that waits."""

    place: Place
    job: str
    characters: int

    @property
    def seconds(self) -> float:
        return self.characters / CHARACTERS_PER_SECOND + DOCUMENT_SECONDS


@dataclass(frozen=True, slots=True, order=True)
class Run:
    """A claim under way."""

    ends_at: float
    id: int
    begun_at: float
    worker: str
    items: tuple[Item, ...]

    @property
    def load(self) -> Load:
        return Load(documents=len(self.items), characters=sum(one.characters for one in self.items))


@dataclass(slots=True)
class Simulation:
    """Workers that take claims of so many characters, in the order of the queue.

    It is the port `Waiting`, as far as a forecast asks.
    """

    workers: int
    claim_characters: int = 24_000
    now: float = 1_000_000.0
    queue: list[Item] = field(default_factory=list)
    running: list[Run] = field(default_factory=list)
    closed: list[FinishedClaim] = field(default_factory=list)
    done_at: dict[str, float] = field(default_factory=dict)
    claims: int = 0

    def add(self, job: str, lane: int, lengths: Sequence[int], turn: int = 0) -> None:
        """Put a job's documents into the queue; its turns begin at *turn*."""
        for length in lengths:
            self.queue.append(Item(Place(lane, turn, len(self.queue)), job, length))
            turn += length + 100
        self.queue.sort()

    def run(self, seconds: float) -> None:
        """Let the workers work for so long."""
        end = self.now + seconds
        self._claim()
        while self.running and self.running[0].ends_at <= end:
            self._close(heapq.heappop(self.running))
            self._claim()
        self.now = end

    def count(self, most: int) -> int:
        return min(len(self.queue) + sum(len(one.items) for one in self.running), most)

    def outline(self) -> Outline:
        return Outline(stretches=tuple(self._stretches()))

    def finished(self, limit: int) -> Sequence[FinishedClaim]:
        return self.closed[::-1][:limit]

    def holders(self) -> Sequence[Holder]:
        return [
            Holder(
                id=one.id,
                worker=one.worker,
                load=one.load,
                claimed_at=one.begun_at,
                lease_until=one.ends_at,
                publishing=False,
            )
            for one in sorted(self.running, key=lambda run: run.id)
        ]

    def places(self, job_ids: Sequence[str]) -> Mapping[str, JobPlace]:
        places = {job: self._place(job) for job in job_ids}
        return {job: place for job, place in places.items() if place.last or place.claims}

    def _claim(self) -> None:
        busy = {one.worker for one in self.running}
        for number in range(self.workers):
            worker = f"host:{number}"
            if worker not in busy and self.queue:
                items = tuple(self._take())
                self.claims += 1
                seconds = CLAIM_SECONDS + sum(one.seconds for one in items)
                run = Run(self.now + seconds, self.claims, self.now, worker, items)
                heapq.heappush(self.running, run)

    def _take(self) -> Iterator[Item]:
        lane, left = self.queue[0].place.lane, self.claim_characters
        while self.queue and self.queue[0].place.lane == lane:
            left -= self.queue[0].characters
            yield self.queue.pop(0)
            if left <= 0:
                return

    def _close(self, run: Run) -> None:
        self.now = run.ends_at
        for item in run.items:
            self.done_at[item.job] = self.now
        self.closed.append(
            FinishedClaim(
                worker=run.worker,
                load=run.load,
                tokens=run.load.characters // 5,
                claimed_at=run.begun_at,
                ended_at=run.ends_at,
            )
        )

    def _place(self, job: str) -> JobPlace:
        mine = [one for one in self.queue if one.job == job]
        claims = frozenset(
            run.id for run in self.running if any(one.job == job for one in run.items)
        )
        if not mine:
            return JobPlace(claims=claims)
        return JobPlace(last=mine[-1].place, characters=mine[-1].characters, claims=claims)

    def _stretches(self) -> Iterator[Stretch]:
        for lane in sorted({one.place.lane for one in self.queue}):
            items = [one for one in self.queue if one.place.lane == lane]
            first, last = items[0].place.turn, items[-1].place.turn
            width = -(-(last - first + 1) // 64)
            loads: dict[int, Load] = defaultdict(Load)
            for one in items:
                own = Load(documents=1, characters=one.characters)
                loads[(one.place.turn - first) // width] += own
            for number, load in sorted(loads.items()):
                start = first + number * width
                yield Stretch(lane=lane, first=start, end=start + width, load=load)


@dataclass(frozen=True, slots=True)
class SimulatedRoster:
    """The port `Roster`, as far as a forecast asks: all workers are alive."""

    simulation: Simulation
    condition: Condition = NOTHING_SAID

    def now(self) -> float:
        return self.simulation.now

    def processes(self, *, within_seconds: float) -> Sequence[Process]:
        assert within_seconds < 60
        beat_at, condition = self.simulation.now, self.condition
        return [
            Process(name=f"host:{number}", kind="index", beat_at=beat_at, condition=condition)
            for number in range(self.simulation.workers)
        ]


def forecast(simulation: Simulation, condition: Condition = NOTHING_SAID) -> Forecast:
    """Return a forecast of a process that has just started."""
    roster = SimulatedRoster(simulation, condition)
    return Forecast(cast("Waiting", simulation), cast("Roster", roster))
