"""When small segments become one. A pure function of what a manifest lists.

Tiers, as in Lucene's `TieredMergePolicy`: segments of about one size wait until there are
*fan-in* of them, so a vector is rewritten about once a tier, and the number of segments grows
with the logarithm of the number of vectors.
"""

from collections.abc import Iterable, Sequence

from shared.domain import Segment
from shared.settings import MergeSettings

MOST = 64
"""Segments of one space from where the smallest are merged whatever their tiers."""


def choose(segments: Iterable[Segment], settings: MergeSettings) -> tuple[Segment, ...] | None:
    """Return the segments to merge next, in manifest order; None when all is well.

    All are of one space and hold something live. A single one is returned only to be rewritten
    without its deleted vectors. Each merge makes fewer segments, or a segment without deletes,
    so repeating it comes to an end.
    """
    spaces: dict[int, list[Segment]] = {}
    for segment in segments:
        if segment.live:
            spaces.setdefault(segment.space_id, []).append(segment)
    for one in spaces.values():
        chosen = _littered(one, settings) or _tier(one, settings) or _surplus(one, settings)
        if chosen:
            names = {segment.id for segment in chosen}
            return tuple(segment for segment in one if segment.id in names)
    return None


def _littered(segments: Sequence[Segment], settings: MergeSettings) -> list[Segment]:
    """Return the segment with the most deleted vectors if these are too many.

    Segments below the floor are left to their tier: they are rewritten soon anyway.
    """
    worst = max(segments, key=lambda segment: segment.rows - segment.live)
    dead = worst.rows - worst.live
    littered = dead >= settings.floor and dead >= settings.deleted_share * worst.rows
    return [worst] if littered else []


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


def _surplus(segments: Sequence[Segment], settings: MergeSettings) -> list[Segment]:
    """Return the smallest segments if there are more than any search should visit."""
    surplus = len(segments) - MOST
    if surplus <= 0:
        return []
    smallest = _mergeable(segments, settings)[: max(settings.fan_in, surplus + 1)]
    fitting = _fitting(smallest, settings)
    return fitting if len(fitting) > 1 else []


def _mergeable(segments: Iterable[Segment], settings: MergeSettings) -> list[Segment]:
    """Return those of which two at least fit in one, smallest first."""
    small = (segment for segment in segments if 2 * segment.live <= settings.max_vectors)
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
    total = 0
    for segment in smallest_first:
        total += segment.live
        if total > settings.max_vectors:
            break
        chosen.append(segment)
    return chosen
