"""Documents on their way into a new space.

Locks come in one order: head, rebuild, claim, attempt of the claim, renditions. So whoever writes
parts (a claim, a merge, a purge, the swap) waits for the others at the row of the rebuild.
"""

import json
from collections import defaultdict
from collections.abc import Sequence

import numpy as np
from sqlalchemy import (
    Connection,
    bindparam,
    func,
    insert,
    literal,
    select,
    update,
)

from shared.catalog.collections.collections import SPACE_COLUMNS, space_of
from shared.catalog.collections.naming import IS_THERE
from shared.catalog.content.reading import HEAD_COLUMNS, head_of
from shared.catalog.engine.clock import db_now
from shared.catalog.engine.database import Database
from shared.catalog.publishing.committing import HOLD_CLAIM, commit_attempt
from shared.catalog.publishing.lifetimes import pages
from shared.catalog.rebuilds import claims as rebuild_claims
from shared.catalog.rebuilds.claims import RUNNING
from shared.catalog.rebuilds.parts import insert_part, read_parts, replace_parts
from shared.catalog.rebuilds.remains import clear
from shared.catalog.rebuilds.standings import (
    OPEN,
    count_unfinished,
    hold_rebuild,
    read_progress,
)
from shared.catalog.tables import (
    CLAIMED,
    ChunkRow,
    ClaimRow,
    CollectionRow,
    HeadRow,
    LivenessRow,
    RebuildRow,
    RenditionRow,
    RevisionRow,
    SpaceRow,
)
from shared.domain import (
    Attempt,
    Batch,
    Claim,
    Lane,
    Readiness,
    Rendition,
    Segment,
    Undertaking,
)
from shared.errors import Fenced

_IN_A_ROW = 8
"""Claims of other lanes after which a rebuild that waits has its turn."""


class SqlRenditions:
    """The port `Renditions` in SQL."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def running(self) -> Sequence[Undertaking]:
        """Return the rebuilds that are under way, those begun first in front."""
        with self._database.glance() as tx:
            rows = tx.execute(_UNDER_WAY).all()
        return [
            Undertaking(
                id=row.id,
                collection_id=row.collection_id,
                space=space_of(row),
                held=bool(row.held),
            )
            for row in rows
        ]

    def overdue(self) -> bool:
        """Whether the newest claims are all of other lanes."""
        with self._database.glance() as tx:
            recent = tx.execute(_RECENT).one()
        return bool(recent.claims >= _IN_A_ROW and recent.least_urgent < Lane.REBUILD.value)

    def claim(
        self,
        rebuild_id: str,
        worker: str,
        *,
        max_characters: int,
        max_documents: int,
        lease_seconds: float,
    ) -> Claim | None:
        """Take live revisions that the new space does not have yet; None if there are none."""
        return self._database.run(
            lambda tx: rebuild_claims.take(
                tx,
                rebuild_id,
                worker,
                max_characters=max_characters,
                max_documents=max_documents,
                lease_seconds=lease_seconds,
            )
        )

    def keep(self, batch: Batch) -> None:
        """Store what a claim made, in one transaction; `Fenced` if it may not."""
        self._database.run(lambda tx: _keep(tx, batch))

    def is_drained(self, rebuild_id: str) -> bool:
        """Whether nothing waits or is under way, and nothing failed that must not be left out."""
        with self._database.read() as tx:
            rebuild = tx.execute(_REBUILD, {"rebuild": rebuild_id}).one_or_none()
            if rebuild is None:
                return False
            unfinished, failed = count_unfinished(tx, rebuild.space_id)
        return not unfinished and (rebuild.forced or not failed) and not rebuild.trouble

    def readiness(self, rebuild_id: str) -> Readiness | None:
        """Read, in one snapshot, all that decides about the swap; None if the rebuild has ended."""
        with self._database.read() as tx:
            rebuild = tx.execute(_REBUILD, {"rebuild": rebuild_id}).one_or_none()
            if rebuild is None:
                return None
            of_it = {"collection": rebuild.collection_id}
            head = head_of(tx.execute(_HEAD, of_it).one())
            progress = read_progress(tx, rebuild.collection_id, rebuild.space_id)
            live = tx.scalars(_LIVE_VECTORS, of_it | {"space": rebuild.space_id})
            return Readiness(
                head=head,
                unfinished=progress.under_way + progress.waiting,
                failed=progress.failed,
                live=np.sort(np.fromiter(live, dtype=np.int64)),
                parts=read_parts(tx, rebuild.space_id),
                forced=rebuild.forced,
            )

    def look_again(self, rebuild_id: str) -> None:
        """Look through all live revisions once more."""
        again = update(RebuildRow).where(RebuildRow.id == rebuild_id, RUNNING).values(place=0)
        self._database.run(lambda tx: tx.execute(again).rowcount)

    def hold(self, rebuild_id: str, *, seconds: float) -> None:
        """Hold other work of the collection back so long, unless it is held or has its rest."""
        rested = func.coalesce(RebuildRow.held_until, 0.0) + literal(seconds) < db_now()
        hold = (
            update(RebuildRow)
            .where(RebuildRow.id == rebuild_id, RUNNING, rested)
            .values(held_until=db_now() + literal(seconds))
        )
        self._database.run(lambda tx: tx.execute(hold).rowcount)

    def trouble(self, rebuild_id: str, words: str | None) -> None:
        """Say why the rebuild does not get on; None when it does."""
        say = (
            update(RebuildRow)
            .where(RebuildRow.id == rebuild_id, RebuildRow.trouble.is_distinct_from(words))
            .values(trouble=words)
        )
        self._database.run(lambda tx: tx.execute(say).rowcount)

    def parts(self, collection_id: int) -> Sequence[Segment]:
        """Return the segments of the rebuild under way, without their layouts; empty if none."""
        building = select(RebuildRow.space_id).where(
            RebuildRow.collection_id == collection_id, RUNNING
        )
        with self._database.read() as tx:
            space_id = tx.scalar(building)
            return () if space_id is None else read_parts(tx, space_id)

    def merged(
        self, rebuild_id: str, attempt: Attempt, inputs: Sequence[Segment], output: Segment
    ) -> None:
        """Put one part in the place of several.

        Raises:
            VersionConflict: not all of them are there any more; nothing was written.
            Fenced: the attempt was taken away, or the rebuild has ended; nothing was written.
        """

        def work(tx: Connection) -> None:
            hold_rebuild(tx, rebuild_id)
            commit_attempt(tx, attempt, attempt.collection_id)
            replace_parts(tx, [one.id for one in inputs])
            insert_part(tx, attempt, output)

        self._database.run(work)

    def clear(self, collection_id: int, *, limit: int) -> bool:
        """Remove some of what ended rebuilds, and spaces that no version shows, have left."""
        return self._database.run(lambda tx: clear(tx, collection_id, limit))


def _keep(tx: Connection, batch: Batch) -> None:
    rebuild = hold_rebuild(tx, batch.rebuild_id)
    if not tx.execute(HOLD_CLAIM, {"claim": batch.claim.id}).rowcount:
        raise Fenced(f"Claim {batch.claim.id} was taken away.")
    commit_attempt(tx, batch.attempt, rebuild.collection_id)
    _settle(tx, batch, rebuild.space_id)
    _insert_chunks(tx, batch, rebuild.space_id)
    if batch.segment:
        insert_part(tx, batch.attempt, batch.segment)


def _settle(tx: Connection, batch: Batch, space_id: int) -> None:
    """Write how each revision of the claim ended; those that end alike share a statement."""
    alike: defaultdict[tuple[str | None, tuple[str, ...]], list[int]] = defaultdict(list)
    for one in batch.renditions:
        alike[one.error, one.warnings].append(one.revision_id)
    for (error, warnings), ids in alike.items():
        values = {
            "state": "failed" if error else "done",
            "error": error,
            "warnings": json.dumps(warnings, ensure_ascii=False) if warnings else None,
        }
        for page in pages(ids):
            mine = (RenditionRow.space_id == space_id, RenditionRow.revision_id.in_(page))
            held = (RenditionRow.claim_id == batch.claim.id, RenditionRow.state == CLAIMED)
            written = tx.execute(update(RenditionRow).where(*mine, *held).values(**values)).rowcount
            if written != len(page):
                raise Fenced("A document is no longer held by this claim.")
            if not warnings:
                tx.execute(update(RenditionRow).where(*mine, _WAS_WARNED).values(warnings="[]"))


def _insert_chunks(tx: Connection, batch: Batch, space_id: int) -> None:
    """Store the chunks of revisions whose texts are still there."""
    ids = [one.revision_id for one in batch.renditions if one.chunks]
    there = {one for page in pages(ids) for one in tx.scalars(_HOLD_REVISIONS, {"revisions": page})}
    rows = [
        row
        for one in batch.renditions
        if one.revision_id in there
        for row in _chunk_rows(one, space_id)
    ]
    if rows:
        tx.execute(insert(ChunkRow), rows)


def _chunk_rows(rendition: Rendition, space_id: int) -> list[dict[str, int]]:
    return [
        {
            "vector_id": chunk.vector_id,
            "revision_id": rendition.revision_id,
            "space_id": space_id,
            "ordinal": ordinal,
            "begins": chunk.start,
            "ends": chunk.end,
            "tokens": chunk.tokens,
        }
        for ordinal, chunk in enumerate(rendition.chunks)
    ]


_UNDER_WAY = (
    select(
        RebuildRow.id,
        RebuildRow.collection_id,
        (func.coalesce(RebuildRow.held_until, 0.0) > db_now()).label("held"),
        *SPACE_COLUMNS,
    )
    .join(SpaceRow, SpaceRow.id == RebuildRow.space_id)
    .join(CollectionRow, CollectionRow.id == RebuildRow.collection_id)
    .where(RUNNING, IS_THERE)
    .order_by(RebuildRow.started_at, RebuildRow.id)
)
_REBUILD = (
    select(RebuildRow.collection_id, RebuildRow.space_id, RebuildRow.forced, RebuildRow.trouble)
    .join(CollectionRow, CollectionRow.id == RebuildRow.collection_id)
    .where(RebuildRow.id == bindparam("rebuild"), RUNNING, IS_THERE)
)
_HEAD = select(*HEAD_COLUMNS).where(HeadRow.collection_id == bindparam("collection"))
_LAST_LANES = select(ClaimRow.lane).order_by(ClaimRow.id.desc()).limit(_IN_A_ROW).subquery()
_RECENT = select(
    func.count().label("claims"), func.max(_LAST_LANES.c.lane).label("least_urgent")
).select_from(_LAST_LANES)
_LIVE_VECTORS = (
    select(ChunkRow.vector_id)
    .join(LivenessRow, LivenessRow.revision_id == ChunkRow.revision_id)
    .where(*OPEN, ChunkRow.space_id == bindparam("space"))
)
_WAS_WARNED = (
    select(RevisionRow.id)
    .where(RevisionRow.id == RenditionRow.revision_id, RevisionRow.warnings.is_not(None))
    .exists()
)
_HOLD_REVISIONS = (
    select(RevisionRow.id)
    .where(
        RevisionRow.id.in_(bindparam("revisions", expanding=True)),
        ~RevisionRow.forgotten,
    )
    .with_for_update(read=True)
)
