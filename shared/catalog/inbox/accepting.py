"""The transaction that turns a submission into revisions."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

from sqlalchemy import Connection, func, insert, select
from sqlalchemy.sql.dml import ReturningInsert

from shared.catalog.collections.naming import find
from shared.catalog.content.fields import file_job
from shared.catalog.engine.clock import read_clock
from shared.catalog.engine.dialect import insert_new
from shared.catalog.engine.identity import new_id
from shared.catalog.files.origins import store_origins
from shared.catalog.inbox.drafts import Draft, Parcel
from shared.catalog.inbox.standings import Standing, lock, raise_external_versions
from shared.catalog.queue.flows import Flow, charge, cost_of, virtual_time
from shared.catalog.tables import (
    DocumentRow,
    JobRow,
    KeyRow,
    RevisionRow,
)
from shared.domain import Parsed, Receipt, RevisionKind, State, Submission
from shared.errors import DocumentNotFound, KeyReused


@dataclass(frozen=True, slots=True)
class Job:
    """The job that a submission becomes."""

    id: str
    collection_id: int
    submission: Submission
    now: float
    not_before: float
    """When workers may first claim its revisions; 0 for at once."""

    @property
    def flow(self) -> Flow:
        """Whose share of the work it takes."""
        return Flow(
            lane=self.submission.lane.value,
            collection_id=self.collection_id,
            source=self.submission.source,
            producer=self.submission.producer,
        )


def store(tx: Connection, parcel: Parcel, hold_seconds: float = 0.0) -> Receipt:
    """Store a job with its revisions, or find the job that its key stands for.

    No worker claims the revisions in the first *hold_seconds*.

    Raises:
        CollectionNotFound, KeyReused, DocumentNotFound: undo the transaction (or savepoint).
    """
    opened = open_job(tx, parcel.submission, hold_seconds)
    if isinstance(opened, Receipt):
        return opened
    receipt = fill(tx, opened, parcel.drafts)
    origins = parcel.submission.origins
    read = [
        Parsed(document=one.document, origin=origins[one.document.id])
        for one in parcel.drafts
        if one.document.id in origins
    ]
    store_origins(tx, opened.collection_id, read, None)
    return receipt


def open_job(tx: Connection, submission: Submission, hold_seconds: float = 0.0) -> Job | Receipt:
    """Store a job without revisions, or find what became of the one that its key stands for.

    Raises:
        CollectionNotFound, KeyReused
    """
    collection_id = find(tx, submission.collection)
    now = read_clock(tx)
    not_before = now + hold_seconds if hold_seconds else 0.0
    job = Job(new_id(), collection_id, submission, now, not_before)
    first = _take_key(tx, job)
    if first is not None:
        return Receipt(job_id=first, documents=_states(tx, first), repeated=True)
    tx.execute(
        _INSERT_JOB,
        {
            "id": job.id,
            "collection_id": collection_id,
            "source": job.submission.source,
            "producer": job.submission.producer,
            "key": job.submission.key,
            "accepted_at": job.now,
            "extra": json.dumps(job.submission.extra) if job.submission.extra else None,
        },
    )
    return job


def fill(tx: Connection, job: Job, drafts: Sequence[Draft], *, grows: bool = False) -> Receipt:
    """Store revisions of a job; once for a job that puts documents, unless it *grows*.

    Raises:
        DocumentNotFound: undo the transaction (or savepoint).
    """
    # Documents are locked before revision ids are given, so that ids of one document follow
    # the order in which its submissions were accepted.
    standings = lock(tx, job.collection_id, {one.document.id for one in drafts}, job.now)
    rows = [_revision(draft, standings[draft.document.id], job) for draft in drafts]
    _give_turns(tx, job, drafts, rows)
    if rows:
        newest = tx.scalar(_NEWEST_REVISION) if grows else None
        tx.execute(_INSERT_REVISION, rows)
        file_job(tx, job.id, behind=newest or 0)
    raise_external_versions(tx, standings.values())
    pairs = zip(drafts, rows, strict=True)
    documents = tuple((draft.document.id, State(str(row["state"]))) for draft, row in pairs)
    return Receipt(job_id=job.id, documents=documents)


def _take_key(tx: Connection, job: Job) -> str | None:
    """Take the submission's key for the new job; return the job that has it already."""
    submission = job.submission
    if submission.key is None:
        return None
    mine = {
        "collection_id": job.collection_id,
        "source": submission.source,
        "key": submission.key,
        "content_sha256": submission.content_sha256,
        "job_id": job.id,
        "received_at": job.now,
    }
    if tx.scalar(_insert_key(tx.dialect.name), mine) is not None:
        return None
    # Of two at once, PostgreSQL made the second wait here until the first had committed.
    first = tx.execute(
        select(KeyRow.content_sha256, KeyRow.job_id).where(
            KeyRow.collection_id == job.collection_id,
            KeyRow.source == submission.source,
            KeyRow.key == submission.key,
        )
    ).one_or_none()
    if first is None:  # it expired just now
        return _take_key(tx, job)
    if first.content_sha256 != submission.content_sha256:
        raise KeyReused(
            f"The key {submission.key!r} was used before, for job {first.job_id}, with other "
            "content. Use a new key for new content."
        )
    return str(first.job_id)


def _states(tx: Connection, job_id: str) -> tuple[tuple[str, State], ...]:
    """Return how the documents of a job stand, in the order they were sent."""
    rows = tx.execute(
        select(DocumentRow.external_id, RevisionRow.state)
        .join(DocumentRow, DocumentRow.id == RevisionRow.document_id)
        .where(RevisionRow.job_id == job_id)
        .order_by(RevisionRow.id)
    )
    return tuple((external_id, State(state)) for external_id, state in rows)


_INSERT_JOB = insert(JobRow)
_NEWEST_REVISION = select(func.max(RevisionRow.id))
_INSERT_REVISION = insert(RevisionRow)


@cache
def _insert_key(dialect: str) -> ReturningInsert[int]:
    return insert_new(dialect, KeyRow).on_conflict_do_nothing().returning(KeyRow.id)


def _revision(draft: Draft, standing: Standing, job: Job) -> dict[str, object]:
    """Return the revision's row, and move *standing* on."""
    document = draft.document
    row: dict[str, object] = {
        "collection_id": job.collection_id,
        "job_id": job.id,
        "lane": job.submission.lane.value,
        "turn": 0,
        "accepted_at": job.now,
        "document_id": standing.document_id,
        "kind": document.kind.value,
        "state": State.PENDING.value,
        "crashes": 0,
        "solo_crashes": 0,
        "not_before": job.not_before,
        "version": None,
        "characters": draft.characters,
        "external_version": document.external_version,
        "published_at": None,
        "content_sha256": draft.content_sha256,
        "text_sha256": draft.text_sha256,
        "warnings": None,
        "title": document.title,
        "metadata_json": draft.metadata_json,
        "filterable": True,
        "text": document.text,
    }
    if warning := _outdated(draft, standing):
        return row | {"state": State.SUPERSEDED.value, "warnings": warning}
    missing = document.kind is RevisionKind.DELETE and standing.gone
    if missing and not job.submission.missing_ok:
        raise DocumentNotFound(f"There is no document {document.id!r} to delete.")
    if document.external_version is not None:
        standing.external_version, standing.raised = document.external_version, True
    if missing:
        nothing = json.dumps([f"There is no document {document.id!r} to delete."])
        return row | {"state": State.UNCHANGED.value, "warnings": nothing}
    standing.gone = False
    if _says_the_same(draft, standing):
        same = {"state": State.UNCHANGED.value, "version": standing.live_version}
        return row | same | {"published_at": job.now}
    standing.waiting = True
    return row


def _give_turns(
    tx: Connection, job: Job, drafts: Sequence[Draft], rows: Sequence[dict[str, object]]
) -> None:
    """Give what waits its place in the lane, and let its flow pay for it.

    What is held brings its vectors along: it takes no share of the work, unless whoever brings
    them does not come.
    """
    each = [
        (row, 0 if job.not_before else cost_of(draft.characters))
        for draft, row in zip(drafts, rows, strict=True)
        if row["state"] == State.PENDING.value
    ]
    if not each:
        return
    total = sum(cost for _, cost in each)
    turn = charge(tx, job.flow, total) if total else virtual_time(tx, job.flow.lane)
    for row, cost in each:
        row["turn"] = turn
        turn += cost


def _outdated(draft: Draft, standing: Standing) -> str | None:
    """Return a warning if the producer's own version says that a newer one came before."""
    mine, known = draft.document.external_version, standing.external_version
    if mine is None or known is None or mine > known:
        return None
    return json.dumps([f"Ignored: external version {mine} is not above {known}, seen before."])


def _says_the_same(draft: Draft, standing: Standing) -> bool:
    return (
        draft.document.kind is RevisionKind.PUT
        and not standing.waiting
        and standing.live_sha256 == draft.content_sha256
    )
