"""Erase a document from every version, now.

Its vectors leave every segment of every kept version, its texts the catalog, in one transaction;
the versions keep their numbers. A process that dies midway has erased nothing, or all but the
old files, which the next collection of garbage removes.
"""

from dataclasses import dataclass, field, replace

import numpy as np
import structlog

from shared.domain import (
    Attempt,
    ChoreKind,
    Collection,
    Ids,
    Manifest,
    PurgeReport,
    Segment,
)
from shared.errors import Busy, CorruptFile, LaminaError
from shared.ports import Collections, IndexStore, Publications
from shared.trust.checking import head_of
from shared.trust.rewriting import Press, Proposal, rewrite_until_settled
from shared.upkeep.chores import Duty, Shift
from shared.upkeep.garbage import sweep
from shared.upkeep.remains import Keeper
from shared.uploads.clearing import Attic, clear_now

log = structlog.get_logger(__name__)

_NO_IDS: Ids = np.empty(0, dtype=np.int64)


@dataclass(frozen=True, slots=True, kw_only=True)
class Purger:
    """What purging works with."""

    shift: Shift
    collections: Collections
    publications: Publications
    store: IndexStore
    keeper: Keeper
    attic: Attic | None = None
    """Where files are whose text it was; None where there are none."""


def purge(purger: Purger, name: str, external_id: str) -> PurgeReport:
    """Erase all revisions of a document from every version of a collection.

    Revisions of it that wait or are being indexed end, too; a later document with this id is a
    new one. Versions that the retention rule has let go lose their files at once.

    Raises:
        CollectionNotFound, DocumentNotFound
        Busy: another process purges or repairs in this collection.
        CorruptFile: a file that holds it, or might, is damaged; nothing was erased.
        Retryable: the catalog or the index cannot do it now.
    """
    collection = purger.collections.get(name)
    purger.shift.versions.vectors_of(collection.id, external_id)
    with Duty(purger.shift, collection.id, ChoreKind.REWRITE, "Purging a document.") as duty:
        if duty is None:
            raise Busy(f"Documents of {name!r} are being purged, or files repaired, just now.")
        attempt = purger.publications.register(
            collection.id, vectors=0, claim_id=None, worker=purger.shift.holder
        )
        eraser = _Eraser(purger, collection, external_id, attempt, duty)
        press = Press(
            publications=purger.publications, versions=purger.shift.versions, store=purger.store
        )
        try:
            done = rewrite_until_settled(press, attempt, eraser.propose)
        except CorruptFile as error:
            raise CorruptFile(
                f"Nothing was purged, since a file that may hold the document is damaged: {error} "
                f"Run `lamina fsck {name} --repair` first."
            ) from error
        finally:
            purger.publications.abandon(attempt.id)
        report = eraser.report(done)
        duty.outcome = (
            f"{report.vectors} vectors of a document erased from {len(report.versions)} versions."
        )
        return _sweep(purger, collection, duty, report)


def _sweep(purger: Purger, collection: Collection, duty: Duty, report: PurgeReport) -> PurgeReport:
    """Remove the files that held the document. It is erased already, whatever happens here."""
    try:
        removed = sweep(purger.keeper, collection, duty.step).removed
        if purger.attic is not None:
            clear_now(purger.attic)
    except LaminaError as error:
        log.warning("purge_left_files", collection=collection.name, error=str(error))
        words = (
            "The document is erased, but files that no version needs any more are still there; "
            f"the next garbage collection removes them. {error}"
        )
        return replace(report, warnings=(words,))
    return replace(report, removed=removed)


@dataclass(slots=True)
class _Eraser:
    """One purge on its way; keeps what it wrote for the next proposal."""

    purger: Purger
    collection: Collection
    external_id: str
    attempt: Attempt
    duty: Duty
    ids: Ids = field(default_factory=lambda: _NO_IDS)
    without: dict[str, Segment | None] = field(default_factory=dict)
    """By id of a segment that holds its vectors: the segment without them."""
    erased: dict[str, Ids] = field(default_factory=dict)
    """What such a segment held of it."""
    marked: dict[tuple[str, str], Segment] = field(default_factory=dict)
    """The same with the dead of some version, by the delete set they had."""

    def propose(self) -> Proposal:
        """Return every kept version as it is, and those that change as they shall be."""
        versions = self.purger.shift.versions
        expired = [
            one.version for one in versions.kept(self.collection.id) if one.expired_at is not None
        ]
        if expired:
            versions.bury(self.collection.id, expired)
        parts = self.purger.keeper.renditions.parts(self.collection.id)
        # Vectors are read after the versions and the parts of a rebuild: those published in
        # between are known then, and the transaction refuses what knows of too few versions.
        kept = versions.kept(self.collection.id)
        ids = versions.vectors_of(self.collection.id, self.external_id)
        if not np.array_equal(ids, self.ids):
            self.ids, self.without, self.erased, self.marked = ids, {}, {}, {}
        changed = []
        for place, one in enumerate(kept):
            self.duty.step(place, len(kept))
            before = self.purger.store.read_manifest(head_of(self.collection.id, one))
            after = self._without(before)
            if after.segments != before.segments:
                changed.append(after)
        store = self.purger.store
        whole = [store.segment(self.collection.id, one.id, one.sha256) for one in parts]
        new_parts = {one.id: self._rid(one) for one in whole}
        return Proposal(
            heads=tuple(head_of(self.collection.id, one) for one in kept),
            manifests=tuple(changed),
            new_segments=tuple(one for one in self.without.values() if one),
            parts=tuple(one.id for one in parts),
            new_parts={one.id: new_parts[one.id] for one in whole if new_parts[one.id] != one},
            purged=self.external_id,
        )

    def report(self, done: Proposal) -> PurgeReport:
        """Say what was erased; nothing is removed yet."""
        return PurgeReport(
            collection=self.collection.name,
            id=self.external_id,
            vectors=len(np.unique(np.concatenate([_NO_IDS, *self.erased.values()]))),
            versions=tuple(manifest.version for manifest in done.manifests),
            segments=len(self.without),
        )

    def _without(self, manifest: Manifest) -> Manifest:
        kept = (self._rid(segment) for segment in manifest.segments)
        return replace(
            manifest, attempt_id=self.attempt.id, segments=tuple(one for one in kept if one)
        )

    def _rid(self, segment: Segment) -> Segment | None:
        """Return *segment* without the document; None if nothing live is left."""
        first, end = np.searchsorted(self.ids, (segment.min_id, segment.max_id + 1))
        if first == end:
            return segment
        store = self.purger.store
        if segment.id not in self.without:
            held = store.all_ids(self.collection.id, segment)
            mine = np.intersect1d(held, self.ids, assume_unique=True)
            if not mine.size:
                return segment
            self.erased[segment.id] = mine
            self.without[segment.id] = store.copy(
                self.attempt,
                segment,
                self.purger.collections.space(segment.space_id).metric,
                without=mine,
                rule=self.collection.index,
                step=self.duty.step,
            )
        copy = self.without[segment.id]
        return self._with_dead(segment, copy) if copy else None

    def _with_dead(self, segment: Segment, copy: Segment) -> Segment | None:
        """Return *copy* with the dead of *segment*; None if nothing else is in it."""
        if segment.deletes is None:
            return copy
        name = (segment.id, segment.deletes.file)
        if name not in self.marked:
            store = self.purger.store
            live = store.live_ids(self.collection.id, [segment])
            dead = np.setdiff1d(store.all_ids(self.collection.id, copy), live, assume_unique=True)
            self.marked[name] = store.mark_dead(self.attempt, copy, dead)
        marked = self.marked[name]
        return marked if marked.live else None
