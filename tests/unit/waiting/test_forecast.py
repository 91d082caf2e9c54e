"""Estimates against a simulated queue, whose truth is known."""

import random
from collections.abc import Sequence

import pytest

from shared.domain import (
    Condition,
    FinishedClaim,
    JobPlace,
    Load,
    Outline,
    Place,
    Speed,
    Stretch,
)
from shared.waiting.forecast import Pace, Queue, estimate, measure, split
from tests.unit.waiting.simulation import Simulation, forecast

CLAIM = 5.0
"""No claim of the simulation lasts longer, seconds."""


def lengths(seed: int, count: int) -> list[int]:
    """Return lengths of documents as they come: most are short, some are very long."""
    chance = random.Random(seed)
    return [int(chance.lognormvariate(6.5, 1.0)) + 1 for _ in range(count)]


def truth(simulation: Simulation, jobs: Sequence[str], looks: int) -> list[tuple[float, float]]:
    """Return estimates made while the queue drains, each with what came true."""
    told: list[tuple[str, float, float]] = []
    for _ in range(looks):
        simulation.run(3.7)
        found = forecast(simulation).estimates(jobs)
        told += [(job, simulation.now, one.seconds) for job, one in found.items()]
    simulation.run(1e6)
    return [(seconds, simulation.done_at[job] - at) for job, at, seconds in told]


@pytest.mark.parametrize("workers", [1, 2, 8])
@pytest.mark.parametrize("seed", range(3))
def test_at_any_moment_of_a_steady_run_the_estimate_is_within_a_factor_of_two(
    workers: int, seed: int
) -> None:
    simulation = Simulation(workers)
    for number in range(8):
        simulation.add(f"job{number}", 1, lengths(seed * 100 + number, 300), turn=number * 250_000)
    simulation.add("urgent", 0, lengths(seed, 50))

    pairs = truth(simulation, [*(f"job{number}" for number in range(8)), "urgent"], looks=40)

    assert len(pairs) > 40
    # A job is done with its last claim, so nothing is known more closely than that.
    off = [(told, came) for told, came in pairs if abs(told - came) > CLAIM]
    wrong = [(told, came) for told, came in off if not 0.5 <= told / came <= 2.0]
    assert wrong == [], "[eta] an estimate was off by more than a factor of two"


def test_two_producers_that_share_the_lane_are_both_told_the_truth() -> None:
    simulation = Simulation(2)
    simulation.add("large", 1, lengths(1, 2000))
    simulation.add("small", 1, lengths(2, 200))

    pairs = truth(simulation, ["large", "small"], looks=30)

    late = [(told, came) for told, came in pairs if came > CLAIM]
    assert len(late) > 20
    assert all(0.5 <= told / came <= 2.0 for told, came in late)


def test_nothing_is_told_before_anything_was_measured_or_when_nobody_works() -> None:
    simulation = Simulation(2)
    simulation.add("job", 1, lengths(1, 500))
    assert forecast(simulation).estimates(["job"]) == {}
    assert forecast(simulation).documents_per_second() is None

    simulation.run(20)
    assert forecast(simulation).estimates(["job"])["job"].workers == 2
    assert forecast(simulation).estimates([]) == {}

    troubled = Condition(trouble="The disk is away.")
    assert forecast(simulation, troubled).estimates(["job"]) == {}
    simulation.workers = 0
    assert forecast(simulation).estimates(["job"]) == {}
    assert forecast(simulation).documents_per_second() is None


def test_a_finished_job_has_no_estimate() -> None:
    simulation = Simulation(1)
    simulation.add("job", 1, [100])
    simulation.run(10)

    assert forecast(simulation).estimates(["job"]) == {}


def claim(worker: str, start: float, end: float, characters: int = 1000) -> FinishedClaim:
    return FinishedClaim(
        worker=worker,
        load=Load(documents=1, characters=characters),
        tokens=characters // 4,
        claimed_at=start,
        ended_at=end,
    )


def test_time_in_which_a_worker_held_two_claims_counts_once() -> None:
    speed = measure([claim("a", 0, 10), claim("a", 2, 4), claim("a", 9, 12), claim("b", 0, 5)])

    assert speed is not None
    assert speed.seconds == 17
    assert speed.characters_per_second == pytest.approx(4000 / 17)
    assert speed.tokens_per_second == pytest.approx(1000 / 17)
    assert speed.documents_per_second == pytest.approx(4 / 17)


def test_time_between_claims_does_not_count() -> None:
    speed = measure([claim("a", 0, 1), claim("a", 1000, 1001)])

    assert speed is not None
    assert speed.seconds == 2


def test_claims_that_took_no_time_or_went_backwards_tell_nothing() -> None:
    assert measure([]) is None
    assert measure([claim("a", 5, 5), claim("b", 5, 4)]) is None


OUTLINE = Outline(
    stretches=(
        Stretch(lane=0, first=0, end=10, load=Load(documents=1, characters=10)),
        Stretch(lane=1, first=0, end=100, load=Load(documents=10, characters=1000)),
        Stretch(lane=1, first=100, end=200, load=Load(documents=10, characters=1000)),
        Stretch(lane=2, first=0, end=100, load=Load(documents=5, characters=50)),
    )
)


def test_the_queue_is_split_at_a_place_inside_a_stretch() -> None:
    before, after = split(OUTLINE, Place(1, 150, 7), 30)

    assert before == Load(documents=1 + 1 + 10 + 5, characters=30 + 10 + 1000 + 500)
    assert after.characters == 2060 - before.characters
    first, _ = split(OUTLINE, Place(0, 0, 1), 10)
    assert first == Load(documents=1, characters=10)
    last, nothing = split(OUTLINE, Place(2, 100, 1), 0)
    assert last.characters == 2060
    assert nothing == Load()


def test_an_outline_that_is_old_is_taken_to_have_been_worked_off_since() -> None:
    speed = Speed(seconds=10, claims=1, load=Load(documents=0, characters=1000), tokens=100)
    pace, place = Pace(speed, 2), JobPlace(last=Place(2, 100, 1))

    now = estimate(place, Queue(OUTLINE, 0.0), {}, pace)
    later = estimate(place, Queue(OUTLINE, 4.0), {}, pace)
    long_after = estimate(place, Queue(OUTLINE, 4000.0), {}, pace)

    assert later.seconds == pytest.approx(now.seconds - 4)
    assert long_after.seconds == 0
