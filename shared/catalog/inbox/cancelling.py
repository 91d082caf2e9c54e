"""The transaction that cancels a job."""

import json

from sqlalchemy import Connection, bindparam, collate, func, select, update
from sqlalchemy.orm import aliased

from shared.catalog.engine.clock import db_now
from shared.catalog.publishing.lifetimes import pages
from shared.catalog.queue.flows import Flow, refund
from shared.catalog.rebuilds.rebuilds import end_rebuild
from shared.catalog.tables import (
    PENDING,
    WAITING_STATES,
    DeletionRow,
    DocumentRow,
    JobRow,
    RevisionRow,
    UploadRow,
)
from shared.domain import State, UploadState
from shared.errors import JobNotFound

_SAID = json.dumps(["Cancelled before a worker had taken it."])


def cancel(tx: Connection, job_id: str) -> int:
    """Cancel every pending revision of a job; return how many.

    What a worker holds runs to its end; given back, it waits again, and can be cancelled again.
    Whatever the job had promised is void, so that the same content, under the same external
    version too, is new when it is sent again, and its producer gets back its share of the work.
    Only the key stays with the job.

    Raises:
        JobNotFound: there is none.
    """
    # Before the job's row, which whoever carries a deletion out locks after it.
    tx.execute(_STOP_DELETION, {"job": job_id})
    tx.execute(_STOP_UPLOADS, {"job": job_id})
    job = tx.execute(_JOB, {"job": job_id}).one_or_none()
    if job is None:
        raise JobNotFound(f"There is no job {job_id!r}.")
    if tx.dialect.name != "sqlite":
        tx.execute(_LOCK_DOCUMENTS, {"job": job_id})
    cancelled = tx.execute(_CANCEL, {"job": job_id, "said": _SAID}).all()
    versioned = sorted({row.document_id for row in cancelled if row.external_version is not None})
    for page in pages(versioned):
        tx.execute(_TURN_BACK_EXTERNAL_VERSIONS, {"ids": page, "job": job_id})
    for lane in sorted({row.lane for row in cancelled}):
        flow = Flow(
            lane=lane,
            collection_id=job.collection_id,
            source=job.source,
            producer=job.producer,
        )
        refund(tx, flow)
    tx.execute(_STAMP, {"job": job_id})
    end_rebuild(tx, job_id)
    return len(cancelled)


_STOP_DELETION = (
    update(DeletionRow)
    .where(DeletionRow.job_id == bindparam("job"), DeletionRow.done_at.is_(None))
    .values(done_at=db_now())
)
# Whoever parses one is fenced: it stores nothing more.
_STOP_UPLOADS = (
    update(UploadRow)
    .where(
        UploadRow.job_id == bindparam("job"),
        UploadRow.state.in_((UploadState.PENDING.value, UploadState.CLAIMED.value)),
    )
    .values(state=UploadState.CANCELLED.value, ended_at=db_now())
)
_JOB = (
    select(JobRow.collection_id, JobRow.source, JobRow.producer)
    .where(JobRow.id == bindparam("job"))
    .with_for_update(key_share=True)
)
# In the order in which submissions lock them, so that neither deadlocks with the other.
_LOCK_DOCUMENTS = select(func.count()).select_from(
    select(DocumentRow.id)
    .where(
        DocumentRow.id.in_(
            select(RevisionRow.document_id).where(
                RevisionRow.job_id == bindparam("job"),
                RevisionRow.state == PENDING,
                RevisionRow.external_version.is_not(None),
            )
        )
    )
    .order_by(collate(DocumentRow.external_id, "C"))
    .with_for_update(key_share=True)
    .subquery("locked")
)
_CANCEL = (
    update(RevisionRow)
    .where(RevisionRow.job_id == bindparam("job"), RevisionRow.state == PENDING)
    .values(state=State.CANCELLED.value, warnings=bindparam("said"))
    .returning(RevisionRow.document_id, RevisionRow.lane, RevisionRow.external_version)
)
_other = aliased(RevisionRow, name="other")
# The highest that still counts: a failed one does not, so that it may be sent again as well.
_counting = (
    select(func.max(_other.external_version))
    .where(
        _other.document_id == DocumentRow.id,
        _other.state.in_((*WAITING_STATES, State.INDEXED.value, State.UNCHANGED.value)),
    )
    .correlate(DocumentRow)
    .scalar_subquery()
)
_raised = (
    select(_other.id)
    .where(
        _other.document_id == DocumentRow.id,
        _other.job_id == bindparam("job"),
        _other.state == State.CANCELLED.value,
        _other.external_version == DocumentRow.external_version,
    )
    .correlate(DocumentRow)
    .exists()
)
_TURN_BACK_EXTERNAL_VERSIONS = (
    update(DocumentRow)
    .where(DocumentRow.id.in_(bindparam("ids", expanding=True)), _raised)
    .values(external_version=_counting)
)
_STAMP = (
    update(JobRow)
    .where(JobRow.id == bindparam("job"))
    .values(cancelled_at=func.coalesce(JobRow.cancelled_at, db_now()))
)
