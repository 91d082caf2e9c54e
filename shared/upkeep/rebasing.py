"""Fit segments written from an older version into the newest one."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

import numpy as np

from shared.domain import Ids, Manifest, Segment
from shared.ports import IndexStore

Swap: TypeAlias = Callable[[Manifest], tuple[Manifest, Ids]]
"""Returns a manifest with new segments in it, and which of their vectors died meanwhile."""


class Overtaken(Exception):
    """Another writer changed the inputs in a way that the new segments cannot follow."""


@dataclass(frozen=True, slots=True)
class Replacement:
    """One segment instead of others of the same vectors."""

    inputs: tuple[Segment, ...]
    output: Segment


def merged(store: IndexStore, made: Replacement) -> Swap:
    """Return what takes the inputs of a merge out and puts its output at the end."""

    def swap(base: Manifest) -> tuple[Manifest, Ids]:
        late = late_deletes(store, base, made.inputs)
        gone = {segment.id for segment in made.inputs}
        kept = tuple(segment for segment in base.segments if segment.id not in gone)
        return replace(base, segments=(*kept, made.output)), late

    return swap


def relaid(store: IndexStore, made: Sequence[Replacement]) -> Swap:
    """Return what puts each new segment where its only input stands, if that still does."""

    def swap(base: Manifest) -> tuple[Manifest, Ids]:
        listed = {segment.id for segment in base.segments}
        outputs: dict[str, Segment] = {}
        late: list[Ids] = []
        for one in made:
            (old,) = one.inputs
            if old.id in listed:
                late.append(late_deletes(store, base, one.inputs))
                outputs[old.id] = one.output
        if not outputs:
            raise Overtaken("None of the segments is part of the newest version any more.")
        segments = tuple(outputs.get(segment.id, segment) for segment in base.segments)
        return replace(base, segments=segments), np.concatenate(late)

    return swap


def late_deletes(store: IndexStore, base: Manifest, inputs: Sequence[Segment]) -> Ids:
    """Return the vectors of *inputs* that were deleted since they were chosen, rising.

    A segment leaves the manifest when its last vector is deleted, or when another writer took
    it; in the second case its vectors live on in another segment. A restore may also bring a
    deleted vector back to life, which the new segment does not hold.

    Raises:
        Overtaken: an input went into another merge, or a vector came back to life.
    """
    listed = {segment.id: segment for segment in base.segments}
    before, now = [], []
    for segment in inputs:
        newest = listed.get(segment.id)
        if newest is None:
            before.append(segment)
        elif newest.deletes != segment.deletes:
            before.append(segment)
            now.append(newest)
    had = store.live_ids(base.collection_id, before)
    has = store.live_ids(base.collection_id, now)
    if np.setdiff1d(has, had).size:
        raise Overtaken("A restore brought deleted vectors of these segments back.")
    late = np.setdiff1d(had, has)
    if len(before) > len(now):
        gone = {segment.id for segment in inputs}
        others = [segment for segment in base.segments if segment.id not in gone]
        if np.isin(late, store.live_ids(base.collection_id, others)).any():
            raise Overtaken("Another writer took some of these segments first.")
    return late
