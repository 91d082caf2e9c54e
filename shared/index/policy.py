"""When small segments become one, and when segments are laid out anew.

Pure functions of what a manifest lists. Tiers, as in Lucene's `TieredMergePolicy`: segments of
about one size wait until there are *fan-in* of them, so a vector is rewritten about once a tier,
and the number of segments grows with the logarithm of the number of vectors.
"""

from collections.abc import Iterable, Sequence

from shared.domain import IndexRule, Layout, Policy, Segment
from shared.index.layouts import LEAST_ROWS
from shared.settings import MergeSettings

_DAY_SECONDS = 86_400
_SHARE_MOVED = 2.0
"""A segment's share of the memory limit has changed once it is this many times what it was."""


def choose(
    segments: Iterable[Segment], *, rule: IndexRule, settings: MergeSettings, now: float
) -> tuple[Segment, ...] | None:
    """Return the segments to merge next, in manifest order; None when all is well.

    All are of one space and hold something live. A single one is returned only to be rewritten
    without its deleted vectors. Each merge makes fewer segments, or a segment without deletes,
    so repeating it comes to an end.

    Args:
        segments: of one manifest.
        rule: the collection's; says from which size on a segment is laid out.
        settings: sizes and shares.
        now: seconds since 1970 by the catalog's clock.
    """
    spaces: dict[int, list[Segment]] = {}
    for segment in segments:
        if segment.live:
            spaces.setdefault(segment.space_id, []).append(segment)
    for one in spaces.values():
        chosen = (
            _littered(one, settings)
            or _aged(one, settings, now)
            or _tier(one, settings)
            or _over_budget(one, rule, settings)
            or _surplus(one, settings)
        )
        if chosen:
            names = {segment.id for segment in chosen}
            return tuple(segment for segment in one if segment.id in names)
    return None


def restyle(
    segments: Iterable[Segment], *, rule: IndexRule, settings: MergeSettings, newest_format: int
) -> tuple[Segment, ...]:
    """Return the segments to lay out anew, in manifest order: all that another rule made.

    Also those in an older format, and large ones that were appended whole. Laid out under
    *rule*, in its newest format, a segment is not returned again.

    Args:
        segments: of one manifest.
        rule: the collection's, as a whole.
        settings: sizes.
        newest_format: number of the format that is written now.
    """
    listed = [segment for segment in segments if segment.live]
    total = sum(segment.live for segment in listed)
    return tuple(
        segment
        for segment in listed
        if segment.format < newest_format or _outdated(segment, rule, total, settings)
    )


def _outdated(segment: Segment, rule: IndexRule, total: int, settings: MergeSettings) -> bool:
    """Whether *rule* would lay out a segment otherwise than it is."""
    layout = segment.layout
    if layout is None:  # as appended; smaller ones are laid out when they are merged
        return rule.policy is not Policy.FLAT and segment.live >= settings.ann_from
    if segment.live < (_least(rule, settings) or settings.floor):
        return False
    if (layout.rule.policy, layout.rule.recall_target) != (rule.policy, rule.recall_target):
        return True
    return rule.policy is Policy.AUTO and _memory_moved(layout, rule.share(segment.live, total))


def _memory_moved(layout: Layout, rule: IndexRule) -> bool:
    """Whether a segment may hold far more than when it was laid out, or holds far too much."""
    had, has = layout.rule.memory_limit_bytes, rule.memory_limit_bytes
    if had is None or has is None:
        return had != has
    grown = has > _SHARE_MOVED * had
    return grown or (had > _SHARE_MOVED * has and layout.memory_bytes > has)


def _least(rule: IndexRule, settings: MergeSettings) -> int | None:
    """Live vectors from where *rule* lays a segment out for approximate search; None: never."""
    if rule.policy is Policy.FLAT:
        return None
    least = settings.ann_from if rule.policy is Policy.AUTO else settings.floor
    return max(least, LEAST_ROWS)


def _littered(segments: Sequence[Segment], settings: MergeSettings) -> list[Segment]:
    """Return the segment with the most deleted vectors if these are too many.

    Segments below the floor are left to their tier: they are rewritten soon anyway.
    """
    worst = max(segments, key=lambda segment: segment.rows - segment.live)
    dead = worst.rows - worst.live
    littered = dead >= settings.floor and dead >= settings.deleted_share * worst.rows
    return [worst] if littered else []


def _aged(segments: Sequence[Segment], settings: MergeSettings, now: float) -> list[Segment]:
    """Return the segment that holds a deleted vector for longest, if that is too long."""
    latest = now - settings.deleted_days * _DAY_SECONDS
    since = {one.id: one.deletes.since for one in segments if one.deletes and one.deletes.since}
    if not since:
        return []
    oldest = min((one for one in segments if one.id in since), key=lambda one: since[one.id])
    return [oldest] if since[oldest.id] <= latest else []


def _tier(segments: Sequence[Segment], settings: MergeSettings) -> list[Segment]:
    """Return the segments of the lowest tier that is full."""
    tiers: dict[int, list[Segment]] = {}
    for segment in _mergeable(segments, settings):
        tiers.setdefault(_tier_of(segment.live, settings), []).append(segment)
    for number in sorted(tiers):
        group = _balanced(tiers[number], settings.fan_in)
        if len(group) >= settings.fan_in:
            return _fitting(group, settings)
    return []


def _over_budget(
    segments: Sequence[Segment], rule: IndexRule, settings: MergeSettings
) -> list[Segment]:
    """Return the flat segments if scanning them takes too long and one of them all would not.

    Those that were laid out and stayed flat, since nothing else reached the recall target, do
    not count: merging them again and again would not help.
    """
    least = _least(rule, settings)
    if least is None:
        return []
    flat = [
        one
        for one in segments
        if one.layout is None or (one.layout.policy is Policy.FLAT and one.live < least)
    ]
    if sum(one.live for one in flat) <= settings.flat_budget:
        return []
    fitting = _fitting(_mergeable(flat, settings), settings)
    worth = len(fitting) > 1 and sum(one.live for one in fitting) >= least
    return fitting if worth else []


def _surplus(segments: Sequence[Segment], settings: MergeSettings) -> list[Segment]:
    """Return the smallest segments if there are more than any search should visit."""
    surplus = len(segments) - settings.max_segments
    if surplus <= 0:
        return []
    smallest = _mergeable(segments, settings)[: max(settings.fan_in, surplus + 1)]
    fitting = _fitting(smallest, settings)
    return fitting if len(fitting) > 1 else []


def _mergeable(segments: Iterable[Segment], settings: MergeSettings) -> list[Segment]:
    """Return those of which two at least fit in one, smallest first."""
    small = (
        segment
        for segment in segments
        if 2 * segment.live <= settings.max_vectors and 2 * segment.bytes <= settings.max_bytes
    )
    return sorted(small, key=lambda segment: (segment.live, segment.min_id))


def _tier_of(live: int, settings: MergeSettings) -> int:
    number, limit = 0, settings.floor
    while live >= limit:
        number, limit = number + 1, limit * settings.fan_in
    return number


def _balanced(group: Sequence[Segment], fan_in: int) -> list[Segment]:
    """Leave out segments that would be rewritten for the sake of far smaller ones.

    Without this, one-document segments would make the lowest tier rewrite its largest segment
    again and again on its way to the floor.
    """
    kept = list(group)
    total = sum(segment.live for segment in kept)
    while kept and kept[-1].live > fan_in * (total - kept[-1].live):
        total -= kept.pop().live
    return kept


def _fitting(smallest_first: Sequence[Segment], settings: MergeSettings) -> list[Segment]:
    """Return as many as fit in the largest segment that a merge may make."""
    chosen: list[Segment] = []
    vectors = size = 0
    for segment in smallest_first:
        vectors, size = vectors + segment.live, size + segment.bytes
        if vectors > settings.max_vectors or size > settings.max_bytes:
            break
        chosen.append(segment)
    return chosen
