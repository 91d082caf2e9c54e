"""What counts as found when a live query is compared with the exact answer."""

import numpy as np
import pytest

from shared.domain import Vectors
from shared.searching.recall import share_found


def scores(*values: float) -> Vectors:
    return np.array(values, dtype=np.float32)


def test_what_is_as_good_as_the_last_of_the_best_counts() -> None:
    exact = scores(0.9, 0.8, 0.7, 0.6)

    assert share_found(exact, exact, higher=True) == 1
    assert share_found(scores(0.9, 0.8, 0.6, 0.5), exact, higher=True) == 0.75
    assert share_found(scores(0.5, 0.4, 0.3, 0.2), exact, higher=True) == 0


def test_of_vectors_that_tie_any_will_do() -> None:
    exact = scores(0.9, 0.7, 0.7)

    assert share_found(scores(0.9, 0.7 - 1e-7, 0.7), exact, higher=True) == 1
    assert share_found(scores(0.9, 0.7 - 1e-4, 0.7), exact, higher=True) == pytest.approx(2 / 3)


def test_a_distance_is_better_when_it_is_smaller() -> None:
    exact = scores(1.0, 2.0)

    assert share_found(scores(1.0, 2.5), exact, higher=False) == 0.5
    assert share_found(scores(1.0, 2.0), exact, higher=False) == 1


def test_large_inner_products_may_differ_by_their_rounding() -> None:
    exact = scores(30_000.0, 20_000.0)

    assert share_found(scores(30_000.0, 19_999.99), exact, higher=True) == 1
    assert share_found(scores(30_000.0, 19_999.0), exact, higher=True) == 0.5


def test_what_was_not_found_at_all_is_missed() -> None:
    assert share_found(scores(0.9), scores(0.9, 0.8), higher=True) == 0.5
