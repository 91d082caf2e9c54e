"""What keeps an index healthy: give dead workers' claims back, merge small segments."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from shared.domain import (
    Attempt,
    Collection,
    Commit,
    Head,
    Ids,
    Manifest,
    Segment,
    VersionKind,
)
from shared.failpoints import reach
from shared.ports import Claims, Collections, IndexStore, Publications, Reading
from shared.publishing import commit_until_settled, read_manifest

MergePolicy = Callable[[Sequence[Segment]], Sequence[Segment] | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Upkeep:
    """What upkeep works with."""

    claims: Claims
    collections: Collections
    publications: Publications
    reading: Reading
    store: IndexStore
    policy: MergePolicy
    worker: str
    max_crashes: int


class _Overtaken(Exception):
    """Another merge took one of the inputs first."""


def reap(upkeep: Upkeep) -> int:
    """Give the work of workers whose leases ran out back to the queue; return how many claims."""
    return upkeep.claims.reap(max_crashes=upkeep.max_crashes)


def merge_next(upkeep: Upkeep) -> bool:
    """Merge once in the first collection that needs it; whether there was one.

    Raises:
        CorruptFile, Retryable: the merge was abandoned; its inputs stay.
    """
    for collection_id, head in upkeep.reading.heads().items():
        collection = upkeep.collections.by_id(collection_id)
        manifest = read_manifest(upkeep.store, head, collection)
        chosen = upkeep.policy(manifest.segments)
        if chosen and _merge(upkeep, collection, chosen):
            return True
    return False


def _merge(upkeep: Upkeep, collection: Collection, inputs: Sequence[Segment]) -> bool:
    """Write one segment for *inputs* and swap it in; False if another merge was first."""
    attempt = upkeep.publications.register(
        collection.id, vectors=0, claim_id=None, worker=upkeep.worker
    )
    merged = None
    if any(segment.live for segment in inputs):
        merged = upkeep.store.merge(attempt, inputs, collection.space.metric)
    reach("merge.written")

    def fit() -> Commit:
        head, _ = upkeep.publications.base(collection.id, [])
        return _fit(upkeep, collection, attempt, head, inputs, merged)

    try:
        commit_until_settled(upkeep.publications, attempt, fit)
    except _Overtaken:
        upkeep.publications.abandon(attempt.id)
        return False
    reach("merge.committed")
    return True


def _fit(
    upkeep: Upkeep,
    collection: Collection,
    attempt: Attempt,
    head: Head,
    inputs: Sequence[Segment],
    merged: Segment | None,
) -> Commit:
    """Replace *inputs* by *merged* in the newest manifest, with the deletes that came meanwhile.

    Raises:
        _Overtaken: an input is no longer listed.
    """
    base = read_manifest(upkeep.store, head, collection)
    late = _late_deletes(upkeep, base, inputs)
    gone = {segment.id for segment in inputs}
    kept = tuple(segment for segment in base.segments if segment.id not in gone)
    draft = replace(
        base,
        version=head.version + 1,
        kind=VersionKind.MERGE,
        attempt_id=attempt.id,
        parent_sha256=head.manifest_sha256 or None,
        segments=(*kept, merged) if merged else kept,
    )
    manifest = upkeep.store.with_deleted(draft, attempt, late) if late.size else draft
    file, sha256 = upkeep.store.write_manifest(manifest)
    return Commit(
        attempt=attempt,
        parent=head,
        manifest=manifest,
        manifest_file=file,
        manifest_sha256=sha256,
        new_segments=tuple(one for one in manifest.segments if merged and one.id == merged.id),
    )


def _late_deletes(upkeep: Upkeep, base: Manifest, inputs: Sequence[Segment]) -> Ids:
    """Return the vectors of *inputs* that were deleted since they were chosen.

    A segment leaves the manifest when its last vector is deleted, or when another merge took it;
    in the second case its vectors live on in another segment.

    Raises:
        _Overtaken: an input went into another merge.
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
    had = upkeep.store.live_ids(base.collection_id, before)
    has = upkeep.store.live_ids(base.collection_id, now)
    late = np.setdiff1d(had, has)
    if len(before) > len(now):
        others = [one for one in base.segments if one.id not in {segment.id for segment in inputs}]
        if np.isin(late, upkeep.store.live_ids(base.collection_id, others)).any():
            raise _Overtaken
    return late
