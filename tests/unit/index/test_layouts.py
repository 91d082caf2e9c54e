"""Which layouts are tried, what they take, and what their JSON may say. No FAISS."""

import json
from dataclasses import asdict, replace
from typing import Any

import pytest
from hypothesis import given as over
from hypothesis import strategies as st
from pydantic import ValidationError

from shared.domain import IndexRule, Layout, Policy
from shared.index import layouts
from shared.settings import MergeSettings

SETTINGS = MergeSettings(floor=1000, ann_from=20_000)
LAYOUT = Layout(
    policy=Policy.HNSW,
    rule=IndexRule(),
    spec="HNSW32,SQfp16",
    effort=((10, 20), (100, 80)),
    recall=0.97,
    memory_bytes=1000,
)
LAID_OUT = [Policy.HNSW, Policy.IVF, Policy.IVFPQ, Policy.SQ8]


def tried(rows: int, policy: Policy = Policy.AUTO, limit: int | None = None) -> list[str]:
    rule = IndexRule(policy=policy, memory_limit_bytes=limit)
    return [str(one) for one in layouts.candidates(rows, 384, rule, SETTINGS)]


def test_auto_leaves_small_segments_flat() -> None:
    assert tried(19_999) == ["flat"]
    assert tried(20_000) == ["hnsw", "ivf", "flat"]


@pytest.mark.parametrize("policy", LAID_OUT)
def test_a_named_policy_applies_from_the_floor_on_whatever_memory_it_takes(policy: Policy) -> None:
    assert tried(999, policy) == ["flat"]
    assert tried(1000, policy) == tried(1000, policy, limit=1) == [policy, "flat"]
    assert tried(10**6, Policy.FLAT) == ["flat"]


def test_nothing_is_laid_out_that_is_searched_as_a_copy_anyway() -> None:
    rule = IndexRule(policy=Policy.HNSW)
    tiny = MergeSettings(floor=1)

    assert layouts.candidates(255, 384, rule, tiny) == (Policy.FLAT,)
    assert layouts.candidates(256, 384, rule, tiny) == (Policy.HNSW, Policy.FLAT)


def test_auto_takes_what_the_memory_limit_has_room_for() -> None:
    sizes = {one: layouts.memory_bytes(one, 100_000, 384) for one in LAID_OUT}

    by_size = sorted(sizes, key=lambda one: -sizes[one])
    assert by_size == [Policy.HNSW, Policy.IVF, Policy.SQ8, Policy.IVFPQ]
    assert tried(100_000, limit=sizes[Policy.HNSW]) == ["hnsw", "ivf", "ivfpq", "sq8", "flat"]
    assert tried(100_000, limit=sizes[Policy.HNSW] - 1) == ["ivf", "ivfpq", "sq8", "flat"]
    assert tried(100_000, limit=sizes[Policy.IVF] - 1) == ["ivfpq", "sq8", "flat"]
    assert tried(100_000, limit=sizes[Policy.SQ8] - 1) == ["ivfpq", "flat"]
    assert tried(100_000, limit=sizes[Policy.IVFPQ] - 1) == ["flat"]


@pytest.mark.parametrize(
    ("rows", "wanted"), [(256, 4), (1000, 16), (20_000, 256), (100_000, 1024), (10**6, 4096)]
)
def test_lists_are_a_power_of_two_near_four_roots(rows: int, wanted: int) -> None:
    assert layouts.lists(rows) == wanted


@over(st.integers(layouts.LEAST_ROWS, 10**7), st.integers(1, 4096))
def test_every_layout_of_any_size_has_a_name_that_can_be_read_back(
    rows: int, dimension: int
) -> None:
    for policy in LAID_OUT:
        named = replace(LAYOUT, policy=policy, spec=layouts.spec(policy, rows, dimension))
        assert layouts.LayoutRecord.of(named).to_domain() == named
    assert layouts.lists(rows) * layouts.POINTS <= rows


def test_effort_is_what_was_tuned_and_grows_between_and_beyond() -> None:
    ks = [1, 5, 10, 11, 30, 99, 100, 101, 200, 999]

    assert [layouts.effort_for(LAYOUT, k) for k in ks] == [
        20, 20, 20, 64, 64, 198, 80, 202, 400, 1998,
    ]  # fmt: skip


def test_every_vector_is_looked_at_past_what_effort_is_known_for() -> None:
    one = replace(LAYOUT, effort=((10, 20),))

    assert layouts.effort_for(LAYOUT, 1000) is None
    assert [layouts.effort_for(one, k) for k in (10, 11)] == [20, None]


def test_probed_lists_have_no_least_number() -> None:
    ivf = replace(LAYOUT, policy=Policy.IVF, spec="IVF64,SQfp16", effort=((10, 2), (100, 5)))

    assert [layouts.effort_for(ivf, k) for k in (1, 10, 55, 100, 200)] == [2, 2, 4, 5, 10]


@over(
    st.lists(st.integers(1, 4096), min_size=2, max_size=2).map(sorted),
    st.lists(st.integers(1, 999), min_size=2, max_size=2).map(sorted),
)
def test_more_hits_never_need_less_effort_of_ivf(efforts: list[int], ks: list[int]) -> None:
    pair = ((10, efforts[0]), (100, efforts[1]))
    ivf = replace(LAYOUT, policy=Policy.IVF, spec="IVF64,SQfp16", effort=pair)

    less, more = (layouts.effort_for(ivf, k) for k in ks)

    assert less is not None
    assert more is not None
    assert less <= more


@pytest.mark.parametrize(
    "change",
    [
        {"policy": "auto"},
        {"policy": "ivf"},
        {"policy": "ivfpq", "spec": "IVF64,SQfp16"},
        {"policy": "ivf", "spec": "IVF64,PQ8x8np"},
        {"policy": "flat", "spec": "SQfp16"},
        {"spec": "HNSW32,Flat"},
        {"spec": "SQfp16"},
        {"effort": []},
        {"effort": [[10, 0]]},
        {"effort": [[100, 80], [10, 20]]},
        {"effort": [[10, 20], [10, 30]]},
        {"effort": [[10, 20, 30]]},
        {"effort": [[10, 20.5]]},
        {"depth": 0},
        {"recall": 1.01},
        {"recall": "0.9"},
        {"memory_bytes": -1},
        {"refused": ["x" * 201]},
        {"surprise": 1},
        {"rule": {"policy": "auto", "recall_target": 0.95}},
        {"rule": {"policy": "auto", "recall_target": 0.4, "memory_limit_bytes": None}},
        {"rule": {"policy": "lsh", "recall_target": 0.9, "memory_limit_bytes": None}},
        {"rule": {"policy": "auto", "recall_target": 0.9, "memory_limit_bytes": 0}},
    ],
)
def test_a_layout_with_impossible_values_is_refused(change: dict[str, Any]) -> None:
    sound = asdict(LAYOUT)
    assert layouts.LayoutRecord.model_validate_json(json.dumps(sound)).to_domain() == LAYOUT

    with pytest.raises(ValidationError):
        layouts.LayoutRecord.model_validate_json(json.dumps({**sound, **change}))


def test_no_segment_is_laid_out_automatically() -> None:
    with pytest.raises(ValueError, match="not automatically"):
        layouts.spec(Policy.AUTO, 10_000, 384)
