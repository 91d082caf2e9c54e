"""Plots say what happened between readings, and nothing else."""

import pytest

from shared.domain import Reading
from shared.measures.history import points
from shared.measures.quantiles import quantile


def reading(at: float, **sums: float) -> Reading:
    named = {name.replace("__", ":").replace("_", "."): value for name, value in sums.items()}
    return Reading(at=at, sums=named, backlog={"bulk": int(at)}, oldest_seconds={"bulk": 2 * at})


def test_rates_are_of_what_was_between_two_readings_however_far_apart() -> None:
    first, second, third = points(
        [
            reading(0, documents=5, failed=1, tokens=100, searches=0),
            reading(10, documents=25, failed=1, tokens=300, searches=5),
            reading(50, documents=105, failed=3, tokens=300, searches=5),
            reading(60, documents=90, failed=3, tokens=300, searches=5),
        ]
    )

    assert (first.documents_per_second, first.tokens_per_second) == (2.0, 20.0)
    assert (first.failed_per_second, first.searches_per_second) == (0.0, 0.5)
    assert (second.documents_per_second, second.failed_per_second) == (2.0, 0.05)
    assert third.documents_per_second == 0.0, "a backup was loaded, whose sums are smaller"
    assert (second.at, second.backlog, second.oldest_seconds) == (50, {"bulk": 50}, {"bulk": 100})


def test_quantiles_are_of_the_minute_before() -> None:
    slow, quick = "search__2_5", "search__0_01"
    found = points(
        [
            reading(0, **{slow: 0, quick: 0}),
            reading(30, **{slow: 10, quick: 0}),
            reading(60, **{slow: 10, quick: 1}),
            reading(95, **{slow: 10, quick: 101}),
            reading(200, **{slow: 10, quick: 101}),
        ]
    )

    both, late, none = found[1].searched, found[2].searched, found[3].searched
    assert both is not None
    assert both[1] > 1.0
    assert late == pytest.approx((0.0075, 0.00975), abs=1e-4)
    assert none is None
    assert found[0].searchable is None


@pytest.mark.parametrize("readings", [[], [reading(0)]])
def test_of_fewer_than_two_readings_nothing_is_told(readings: list[Reading]) -> None:
    assert list(points(readings)) == []


def test_a_quantile_lies_within_its_bucket_and_never_past_the_last_border() -> None:
    upto = {1.0: 10.0, 2.0: 10.0, 4.0: 20.0, float("inf"): 25.0}

    assert quantile(0.2, upto) == pytest.approx(0.5)
    assert quantile(0.6, upto) == pytest.approx(3.0)
    assert quantile(0.99, upto) == 4.0
    assert quantile(0.5, {1.0: 0.0, float("inf"): 0.0}) is None
