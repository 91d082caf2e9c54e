"""The merge policy keeps segments few and rewriting rare, and comes to an end."""

import math
from dataclasses import replace

from hypothesis import given as over
from hypothesis import settings
from hypothesis import strategies as st

from shared.domain import Deletes, Segment
from shared.index import choose
from shared.index.policy import MOST
from shared.settings import MergeSettings

DEFAULTS = MergeSettings()


def segment(number: int, rows: int, *, dead: int = 0, space_id: int = 1) -> Segment:
    return Segment(
        id=f"s{number}",
        space_id=space_id,
        rows=rows,
        min_id=number * 10**7,
        max_id=number * 10**7 + rows - 1,
        bytes=rows,
        sha256="0" * 64,
        deletes=Deletes(file="x.dead", sha256="0" * 64, count=dead) if dead else None,
    )


def merged(segments: list[Segment], chosen: tuple[Segment, ...], number: int) -> list[Segment]:
    gone = {one.id for one in chosen}
    output = segment(number, sum(one.live for one in chosen), space_id=chosen[0].space_id)
    return [one for one in segments if one.id not in gone] + [output]


def settle(
    segments: list[Segment], rules: MergeSettings, number: int = 10**6
) -> tuple[list[Segment], int]:
    """Merge until all is well; return what is left and how many vectors were rewritten."""
    rewritten = 0
    for step in range(10_000):
        chosen = choose(segments, rules)
        if chosen is None:
            return segments, rewritten
        rewritten += sum(one.live for one in chosen)
        segments = merged(segments, chosen, number + step)
    raise AssertionError("It never comes to an end.")


def load(batch: int, total: int, rules: MergeSettings) -> tuple[int, float]:
    """Append *total* vectors; return the most segments after settling, and rewrites a vector."""
    segments: list[Segment] = []
    rewritten = most = 0
    for number in range(total // batch):
        segments, work = settle([*segments, segment(number, batch)], rules, 10**6 + 100 * number)
        rewritten += work
        most = max(most, len(segments))
    return most, rewritten / total


def test_an_empty_or_settled_index_is_left_alone() -> None:
    assert choose([], DEFAULTS) is None
    assert choose([segment(n, 10) for n in range(7)], DEFAULTS) is None


def test_a_full_tier_is_merged_in_manifest_order() -> None:
    segments = [segment(n, 100 - n) for n in range(8)]

    assert choose(segments, DEFAULTS) == tuple(segments)


def test_segments_of_two_spaces_are_never_merged_together() -> None:
    segments = [segment(n, 10, space_id=n % 2) for n in range(16)]

    chosen = choose(segments, DEFAULTS)

    assert chosen is not None
    assert len({one.space_id for one in chosen}) == 1


def test_a_littered_segment_is_rewritten_alone() -> None:
    littered = segment(2, 6000, dead=1200)

    assert choose([segment(1, 6000, dead=1199), littered], DEFAULTS) == (littered,)
    assert choose([segment(1, 6000, dead=1199)], DEFAULTS) is None
    assert choose([segment(1, 900, dead=899)], DEFAULTS) is None


def test_even_a_full_segment_is_rewritten_for_its_deletes() -> None:
    full = segment(1, 1_000_000, dead=200_000)

    assert choose([full], DEFAULTS) == (full,)


def test_a_large_segment_is_not_rewritten_for_the_sake_of_small_ones() -> None:
    large = segment(0, 900)
    singles = [segment(n, 1) for n in range(1, 9)]

    assert choose([large, *singles], DEFAULTS) == tuple(singles)
    assert choose([large, *singles[:7]], DEFAULTS) is None


def test_no_merge_makes_more_than_the_largest_segment() -> None:
    rules = DEFAULTS.model_copy(update={"max_vectors": 10_000})
    segments = [segment(n, 4_000) for n in range(8)]

    chosen = choose(segments, rules)

    assert chosen is not None
    assert sum(one.live for one in chosen) == 8_000
    assert choose([segment(n, 5_001) for n in range(40)], rules) is None


def test_too_many_segments_are_merged_whatever_their_tiers() -> None:
    rules = DEFAULTS.model_copy(update={"fan_in": 40})
    segments = [segment(n, 10 ** (1 + n % 5)) for n in range(MOST + 5)]

    left, _ = settle(segments, rules)

    assert choose(segments, rules) is not None
    assert len(left) <= MOST


def test_appends_keep_segments_few_and_rewrites_rare() -> None:
    for batch, total in ((1, 4_000), (20, 40_000), (256, 200_000), (1000, 1_000_000)):
        most, amplification = load(batch, total, DEFAULTS)
        tiers = math.log(max(total, 1000) / 1000, 8) + 1  # those above the floor, and the one below
        below = math.log(max(1000 / batch, 1), 8)  # sizes that the lowest tier keeps apart

        assert most <= 7 * tiers + below + 2, (batch, most)
        assert amplification <= tiers + 4 * below + 1, (batch, amplification)


rules = st.builds(
    MergeSettings,
    fan_in=st.integers(2, 10),
    floor=st.integers(1, 2000),
    max_vectors=st.integers(10, 10**6),
    deleted_share=st.floats(0.05, 0.9),
)
segment_lists = st.lists(
    st.tuples(st.integers(1, 10**6), st.floats(0, 1), st.integers(1, 2)), max_size=90
).map(
    lambda drawn: [
        segment(n, rows, dead=int(share * rows), space_id=space)
        for n, (rows, share, space) in enumerate(drawn)
    ]
)


@over(segment_lists, rules)
@settings(max_examples=200, deadline=None)
def test_whatever_is_listed_a_choice_is_sound_and_repeating_it_ends(
    segments: list[Segment], rules: MergeSettings
) -> None:
    chosen = choose(segments, rules)

    if chosen is not None:
        assert set(chosen) <= set(segments)
        assert len(set(chosen)) == len(chosen)
        assert len({one.space_id for one in chosen}) == 1
        assert all(one.live for one in chosen)
        if len(chosen) == 1:
            assert chosen[0].rows - chosen[0].live >= rules.deleted_share * chosen[0].rows
        else:
            assert sum(one.live for one in chosen) <= rules.max_vectors
    left, _ = settle(segments, rules)
    assert len(left) <= len(segments)
    mergeable = [one for one in left if 2 * one.live <= rules.max_vectors and one.live]
    for space in (1, 2):
        ours = [one for one in left if one.space_id == space and one.live]
        small = [one for one in mergeable if one.space_id == space]
        assert len(ours) <= MOST or len(small) < 2


@over(segment_lists, rules)
@settings(max_examples=50, deadline=None)
def test_the_order_of_the_segments_does_not_matter(
    segments: list[Segment], rules: MergeSettings
) -> None:
    distinct = [replace(one, min_id=n) for n, one in enumerate(segments)]

    there = choose([one for one in distinct if one.space_id == 1], rules)
    back = choose([one for one in reversed(distinct) if one.space_id == 1], rules)

    assert (there is None) == (back is None)
    if there and back and len(there) > 1:
        assert set(there) == set(back)
