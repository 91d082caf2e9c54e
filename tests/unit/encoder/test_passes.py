"""Passes are full, sorted and complete."""

from itertools import chain

from hypothesis import given
from hypothesis import strategies as st

from shared.encoder.passes import plan


@given(st.lists(st.integers(0, 300)), st.integers(1, 2000))
def test_every_text_is_in_one_pass_within_the_budget(lengths: list[int], budget: int) -> None:
    passes = plan(lengths, budget)

    assert sorted(chain.from_iterable(passes)) == list(range(len(lengths)))
    for rows in passes:
        longest = max(lengths[row] for row in rows)
        assert len(rows) == 1 or len(rows) * longest <= budget
    in_order = [lengths[row] for row in chain.from_iterable(passes)]
    assert in_order == sorted(lengths, reverse=True)


@given(st.lists(st.integers(1, 300), min_size=2), st.integers(300, 2000))
def test_no_pass_could_have_taken_the_next_text(lengths: list[int], budget: int) -> None:
    for rows in plan(lengths, budget)[:-1]:
        longest = max(lengths[row] for row in rows)
        assert (len(rows) + 1) * longest > budget
