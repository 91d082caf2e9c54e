"""Deletes by filter: accepted at once, carried out in steps that one transaction each can hold.

A document goes if the version that was the head when the delete was accepted holds it, its
metadata there match, and nothing newer of it was published or waits. So what is handed in after
the delete stays, however late the delete comes to it.
"""

import json
from collections.abc import Sequence

from sqlalchemy import Connection, bindparam, func, insert, select, text, update
from sqlalchemy.orm import aliased

from shared.catalog.content.fields import FILED, ROOT, UNFILED
from shared.catalog.content.filtering import Asked, holds
from shared.catalog.engine.clock import read_clock
from shared.catalog.engine.dialect import AnyRow, AnySelect
from shared.catalog.inbox.accepting import Job, fill, open_job
from shared.catalog.inbox.drafts import draft
from shared.catalog.inbox.standings import lock
from shared.catalog.tables import (
    DeletionRow,
    DocumentRow,
    FieldRow,
    HeadRow,
    JobRow,
    LivenessRow,
    RevisionRow,
)
from shared.domain import Lane, NewDocument, Receipt, RevisionKind, Submission
from shared.domain.filters import Filter, matches

_WINDOW = 20_000
"""Revisions that one step looks through."""


def begin(tx: Connection, submission: Submission, condition: str) -> Receipt:
    """Accept a delete by filter: a job that grows, or the one that its key stands for.

    Raises:
        CollectionNotFound, KeyReused
    """
    job = open_job(tx, submission)
    if isinstance(job, Receipt):
        return job
    head = select(HeadRow.version).where(HeadRow.collection_id == job.collection_id)
    tx.execute(
        insert(DeletionRow).values(
            job_id=job.id,
            condition=condition,
            version=tx.execute(head).scalar_one(),
            place=0,
            last_place=_newest_revision(tx),
            deleted=0,
            skipped=0,
        )
    )
    return Receipt(job_id=job.id, documents=())


def count(tx: Connection, collection_id: int, condition: Filter) -> tuple[int, int]:
    """Return the head's version and how many of its documents match."""
    head = select(HeadRow.version).where(HeadRow.collection_id == collection_id)
    version = tx.execute(head).scalar_one()
    last, found = _newest_revision(tx), 0
    for start in range(0, last, _WINDOW):
        ends = (start + 1, start + _WINDOW)
        found += len(_matching(tx, collection_id, version, condition, ends=ends, limit=_WINDOW))
    return version, found


def is_any_under_way(tx: Connection) -> bool:
    """Whether there is a delete that is not done."""
    return tx.scalar(select(DeletionRow.job_id).where(_IS_UNDER_WAY).limit(1)) is not None


def under_way(tx: Connection) -> AnyRow | None:
    """Return a delete that is not done, locked; None if there is none that nobody is at."""
    return tx.execute(_UNDER_WAY).one_or_none()


def proceed(tx: Connection, deletion: AnyRow, condition: Filter, *, limit: int) -> int:
    """Do a step of a delete; return how many documents it adds to the job."""
    first, last = deletion.place + 1, min(deletion.place + _WINDOW, deletion.last_place)
    rows = _matching(
        tx,
        deletion.collection_id,
        deletion.version,
        condition,
        ends=(first, last),
        limit=limit,
    )
    place = rows[-1].revision_id if len(rows) == limit else last
    job = _job(tx, deletion)
    names = {row.external_id for row in rows}
    # Locked before they are judged, so that nothing is handed in between.
    standings = lock(tx, job.collection_id, names, job.now) if names else {}
    gone = [
        name
        for name, standing in sorted(standings.items())
        if not standing.waiting
        and standing.live_version is not None
        and standing.live_version <= deletion.version
    ]
    if gone:
        fill(tx, job, [draft(NewDocument(id=one, kind=RevisionKind.DELETE)) for one in gone])
    deleted = deletion.deleted + len(gone)
    skipped = deletion.skipped + len(names) - len(gone)
    done = place >= deletion.last_place
    tx.execute(
        update(DeletionRow)
        .where(DeletionRow.job_id == deletion.job_id)
        .values(place=place, deleted=deleted, skipped=skipped, done_at=job.now if done else None)
    )
    _tell(tx, deletion, deleted, skipped)
    return len(gone)


def _job(tx: Connection, deletion: AnyRow) -> Job:
    submission = Submission(
        collection="",  # known by its id
        source=deletion.source,
        producer=deletion.producer,
        documents=(),
        lane=Lane.BULK,
        missing_ok=True,
    )
    return Job(deletion.job_id, deletion.collection_id, submission, read_clock(tx), 0.0)


def _tell(tx: Connection, deletion: AnyRow, deleted: int, skipped: int) -> None:
    """Write into the job what it deletes and how far that is."""
    extra = {
        "filter": json.loads(deletion.condition),
        "version": deletion.version,
        "deleted": deleted,
        "skipped": skipped,
    }
    tx.execute(
        update(JobRow)
        .where(JobRow.id == deletion.job_id)
        .values(extra=json.dumps(extra, ensure_ascii=False))
    )


def _newest_revision(tx: Connection) -> int:
    return tx.scalar(select(func.max(RevisionRow.id))) or 0


def _matching(
    tx: Connection,
    collection_id: int,
    version: int,
    condition: Filter,
    *,
    ends: tuple[int, int],
    limit: int,
) -> Sequence[AnyRow]:
    """Return the first *limit* matching revisions between *ends*, live since *version* or before.

    In the order of their ids.
    """
    asked = Asked(
        collection_id=collection_id,
        revision=_root.revision_id,
        listed=tx.dialect.name == "sqlite",
        first=ends[0],
        last=ends[1],
    )
    wanted = (
        _LIVE.where(
            _root.collection_id == collection_id,
            _root.revision_id.between(*ends),
            LivenessRow.from_version <= version,
        )
        .order_by(_root.revision_id)
        .limit(limit)
    )
    filed = tx.execute(wanted.where(_root.kind == FILED, holds(condition, asked))).all()
    unfiled = _unfiled(tx, wanted, condition)
    if not unfiled:
        return filed
    return sorted([*filed, *unfiled], key=lambda row: int(row.revision_id))[:limit]


def _unfiled(tx: Connection, wanted: AnySelect, condition: Filter) -> list[AnyRow]:
    """Return those whose metadata hold too much to be filed, and are read as they are."""
    rows = tx.execute(wanted.where(_root.kind == UNFILED).limit(None)).all()
    if not rows:
        return []
    ids = [row.revision_id for row in rows]
    texts = {row.id: row.metadata_json for row in tx.execute(_METADATA, {"ids": ids})}
    return [row for row in rows if matches(condition, json.loads(texts[row.revision_id]))]


_root = aliased(FieldRow, name="root")
_LIVE = (
    select(_root.revision_id, DocumentRow.external_id)
    .select_from(_root)
    .join(LivenessRow, LivenessRow.revision_id == _root.revision_id)
    .join(DocumentRow, DocumentRow.id == LivenessRow.document_id)
    .where(
        _root.path == ROOT,
        text("root.kind NOT IN ('text', 'number')"),  # word by word as its index says
        LivenessRow.to_version.is_(None),
    )
)
_METADATA = select(RevisionRow.id, RevisionRow.metadata_json).where(
    RevisionRow.id.in_(bindparam("ids", expanding=True))
)
_IS_UNDER_WAY = text("deletions.done_at IS NULL")  # word by word as its index says
_UNDER_WAY = (
    select(
        DeletionRow.__table__,
        JobRow.collection_id,
        JobRow.source,
        JobRow.producer,
    )
    .join(JobRow, JobRow.id == DeletionRow.job_id)
    .where(_IS_UNDER_WAY)
    .order_by(JobRow.accepted_at)
    .limit(1)
    .with_for_update(of=DeletionRow, skip_locked=True)
)
