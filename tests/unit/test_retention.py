"""The retention rule against its words: what stays, what goes, and that nothing comes back."""

from dataclasses import replace
from itertools import accumulate, pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain import KeptVersion, RetentionRule, VersionKind
from shared.upkeep.retention import expendable

MINUTE, HOUR, DAY = 60.0, 3600.0, 86_400.0
NOON = 1_700_000_000.0 // DAY * DAY + DAY / 2

Versions = list[KeptVersion]


def version(
    number: int,
    published_at: float = NOON,
    *,
    kind: VersionKind = VersionKind.COMMIT,
    tags: tuple[str, ...] = (),
    leased: bool = False,
    expired_at: float | None = None,
) -> KeptVersion:
    return KeptVersion(
        version=number,
        kind=kind,
        published_at=published_at,
        manifest_file=f"{number}.json",
        manifest_sha256="0" * 64,
        tags=tags,
        leased=leased,
        expired_at=expired_at,
    )


def stay(versions: Versions, rule: RetentionRule, *, head: int, now: float) -> list[int]:
    gone = expendable(versions, rule, head=head, now=now)
    return [one.version for one in versions if one.version not in gone]


def survivors(versions: Versions, rule: RetentionRule, *, head: int, now: float) -> Versions:
    staying = stay(versions, rule, head=head, now=now)
    return [one for one in versions if one.version in staying]


# --- by example ---------------------------------------------------------------------------------


def test_the_newest_versions_stay_however_old_they_are() -> None:
    versions = [version(number, NOON + number) for number in range(1, 31)]
    rule = RetentionRule(versions=20, days=0)

    assert stay(versions, rule, head=30, now=NOON + 1000 * DAY) == [*range(11, 31)]


def test_a_merge_stays_only_while_it_is_the_head_and_what_it_merged_stays_after_it() -> None:
    versions = [
        version(1),
        version(2, kind=VersionKind.MERGE),
        version(3),
        version(4, kind=VersionKind.RELAY),
    ]
    rule = RetentionRule(versions=2, days=0)

    assert stay(versions, rule, head=4, now=NOON) == [1, 3, 4]
    assert stay([*versions, version(5)], rule, head=5, now=NOON) == [3, 5]


def test_a_restored_version_counts_as_content() -> None:
    versions = [version(1), version(2, kind=VersionKind.RESTORE), version(3)]

    assert stay(versions, RetentionRule(versions=2, days=0), head=3, now=NOON) == [2, 3]


def test_thinning_keeps_the_newest_of_each_minute_then_hour_then_day() -> None:
    rule = RetentionRule(versions=1, days=7)
    every_20_seconds = [version(number, NOON + 20 * number) for number in range(1, 181)]
    later = [version(181, NOON + 2 * HOUR)]

    # Version 89 is one hour and 10 seconds old: the newest of its hour that is so old.
    now = NOON + HOUR + 29 * MINUTE + 50
    numbers = stay(every_20_seconds + later, rule, head=181, now=now)
    assert numbers == [89, *range(92, 180, 3), 180, 181]

    numbers = stay(every_20_seconds + later, rule, head=181, now=NOON + 3 * HOUR)
    assert numbers == [179, 180, 181], "the newest of hour 12, and of hour 13"

    numbers = stay(every_20_seconds + later, rule, head=181, now=NOON + 2 * DAY)
    assert numbers == [180, 181], "the newest of the day, and the newest of all"

    assert stay(every_20_seconds + later, rule, head=181, now=NOON + 8 * DAY) == [181]


def test_without_thinning_all_of_the_last_days_stay() -> None:
    versions = [version(number, NOON + number * HOUR) for number in range(1, 100)]
    rule = RetentionRule(versions=1, days=2, thinned=False)

    assert stay(versions, rule, head=99, now=NOON + 99 * HOUR) == [*range(52, 100)]


def test_expired_versions_are_neither_counted_nor_named() -> None:
    versions = [version(1), version(2, expired_at=NOON), version(3)]

    assert expendable(versions, RetentionRule(versions=2, days=0), head=3, now=NOON) == ()


# --- by property --------------------------------------------------------------------------------

STEPS = st.one_of(
    st.floats(0, 5),
    st.floats(0, 3 * MINUTE),
    st.floats(0, 3 * HOUR),
    st.floats(0, 2 * DAY),
    st.floats(-2 * HOUR, 0),  # the clock was set back
)
KINDS = st.sampled_from(
    [VersionKind.COMMIT] * 5 + [VersionKind.MERGE, VersionKind.RELAY, VersionKind.RESTORE]
)
RULES = st.builds(
    RetentionRule,
    versions=st.integers(1, 6),
    days=st.sampled_from([0.0, 0.05, 1.0, 3.0, 7.0]),
    thinned=st.booleans(),
)


@st.composite
def histories(draw: st.DrawFn) -> Versions:
    times = accumulate(draw(st.lists(STEPS, min_size=1, max_size=40)), initial=NOON)
    held = st.sampled_from([False] * 6 + [True])
    return [
        version(
            number,
            published_at,
            kind=draw(KINDS),
            tags=("named",) if draw(held) else (),
            leased=draw(held),
        )
        for number, published_at in enumerate(times, start=1)
    ]


NOWS = st.floats(0, 10 * DAY).map(lambda seconds: NOON + seconds)
LATER = st.one_of(st.floats(0, 2 * MINUTE), st.floats(0, 2 * HOUR), st.floats(0, 3 * DAY))


@given(histories(), RULES, NOWS)
def test_the_head_the_tagged_and_the_leased_always_stay(
    versions: Versions, rule: RetentionRule, now: float
) -> None:
    staying = stay(versions, rule, head=len(versions), now=now)

    assert len(versions) in staying
    assert {one.version for one in versions if one.tags or one.leased} <= {*staying}


@given(histories(), RULES, NOWS)
def test_the_newest_versions_with_content_always_stay(
    versions: Versions, rule: RetentionRule, now: float
) -> None:
    content = [one.version for one in versions if one.kind.has_content]

    assert {*content[-rule.versions :]} <= {*stay(versions, rule, head=len(versions), now=now)}


@given(histories(), RULES, NOWS)
def test_asking_twice_lets_nothing_more_go(
    versions: Versions, rule: RetentionRule, now: float
) -> None:
    head = len(versions)
    once = survivors(versions, rule, head=head, now=now)

    assert expendable(once, rule, head=head, now=now) == ()


@given(histories(), RULES, NOWS, LATER, st.integers(1, 40))
def test_what_went_is_never_missed_later(
    versions: Versions, rule: RetentionRule, now: float, later: float, published: int
) -> None:
    """Neither as time passes nor as more versions are published."""
    before = versions[:published]

    gone = expendable(before, rule, head=len(before), now=now)

    at_last = expendable(versions, rule, head=len(versions), now=now + later)
    assert {*gone} <= {*at_last}


@given(histories(), RULES, st.lists(LATER, max_size=5))
def test_however_often_it_is_asked_nothing_goes_that_one_late_question_would_keep(
    versions: Versions, rule: RetentionRule, pauses: list[float]
) -> None:
    head, now, left = len(versions), NOON, versions
    for pause in pauses:
        now += pause
        left = survivors(left, rule, head=head, now=now)

    assert {*stay(versions, rule, head=head, now=now)} <= {one.version for one in left}


@given(histories(), RULES, NOWS)
def test_of_older_versions_at_most_one_stays_in_each_span(
    versions: Versions, rule: RetentionRule, now: float
) -> None:
    free = [replace(one, tags=(), leased=False) for one in versions]
    staying = {*stay(free, replace(rule, thinned=True), head=len(free), now=now)}
    content = [one for one in free if one.kind.has_content][: -rule.versions]
    older = sorted(
        (one.published_at for one in content if one.version in staying and one.version < len(free)),
        reverse=True,
    )

    for newer, elder in pairwise(older):
        age = now - newer
        length = DAY if age >= DAY else HOUR if age >= HOUR else MINUTE
        assert newer // length != elder // length
    assert all(now - published_at < rule.days * DAY for published_at in older)


@given(histories(), RULES, NOWS)
def test_the_newest_of_each_day_outlives_the_others_of_that_day(
    versions: Versions, rule: RetentionRule, now: float
) -> None:
    """Thinning never takes the last trace of a day that the rule still covers."""
    free = [replace(one, tags=(), leased=False) for one in versions]
    staying = {*stay(free, replace(rule, thinned=True), head=len(free), now=now)}
    content = [one for one in free if one.kind.has_content][: -rule.versions]
    last_of_day = {
        one.published_at // DAY: one
        for one in sorted(content, key=lambda one: (one.published_at, one.version))
    }

    covered = [
        one for one in last_of_day.values() if max(0.0, now - one.published_at) < rule.days * DAY
    ]
    assert {one.version for one in covered} <= staying


@given(histories(), RULES, NOWS)
def test_with_no_days_only_the_newest_and_what_is_held_stay(
    versions: Versions, rule: RetentionRule, now: float
) -> None:
    head = len(versions)
    content = [one.version for one in versions if one.kind.has_content]
    held = {one.version for one in versions if one.tags or one.leased or one.version == head}

    staying = stay(versions, replace(rule, days=0.0), head=head, now=now)

    assert {*staying} == held | {*content[-rule.versions :]}


@given(histories(), RULES, NOWS)
def test_of_all_versions_only_merges_and_relays_go_where_the_rule_covers_all(
    versions: Versions, rule: RetentionRule, now: float
) -> None:
    everything = replace(rule, days=1000.0, thinned=False)
    gone = expendable(versions, everything, head=len(versions), now=now)

    tidying = {one.version for one in versions if not one.kind.has_content}
    assert {*gone} <= tidying


@pytest.mark.parametrize("days", [0.0, 7.0])
def test_a_clock_set_back_makes_nothing_older(days: float) -> None:
    versions = [version(number, NOON + number * MINUTE) for number in range(1, 6)]
    rule = RetentionRule(versions=2, days=days)

    back = stay(versions, rule, head=5, now=NOON - 30 * DAY)

    assert back == ([4, 5] if days == 0 else [1, 2, 3, 4, 5])
