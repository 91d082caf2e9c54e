"""The transaction that changes what a document's newest revision says."""

import json

from sqlalchemy import Connection, and_, bindparam, not_, select

from shared.catalog.engine.dialect import AnyRow
from shared.catalog.files.origins import carry_origin
from shared.catalog.inbox.accepting import fill, open_job
from shared.catalog.inbox.drafts import draft
from shared.catalog.inbox.standings import NEVER_COUNTED, lock
from shared.catalog.tables import LivenessRow, RevisionRow
from shared.domain import Amendment, NewDocument, Receipt, RevisionKind, State
from shared.errors import DocumentNotFound


def amend(tx: Connection, amendment: Amendment) -> Receipt:
    """Store what *amendment* makes of a document, or find the job that its key stands for.

    Raises:
        CollectionNotFound, KeyReused, DocumentNotFound, InvalidDocument: undo the transaction.
    """
    job = open_job(tx, amendment.submission)
    if isinstance(job, Receipt):
        return job
    name = amendment.document_id
    standing = lock(tx, job.collection_id, {name}, job.now)[name]
    newest = _newest(tx, standing.document_id)
    if newest is None:
        raise DocumentNotFound(f"There is no document {name!r}.")
    document = NewDocument(
        id=name,
        title=newest.title,
        text=newest.text,
        metadata=json.loads(newest.metadata_json),
    )
    changed = amendment.apply(document)
    receipt = fill(tx, job, [draft(changed)])
    if changed.title != document.title and changed.text == document.text:
        carry_origin(tx, standing.document_id, document.text_sha256, changed.text_sha256)
    return receipt


def _newest(tx: Connection, document_id: int) -> AnyRow | None:
    """Return what the newest accepted revision says; None if it deletes, or there is none."""
    newest = tx.execute(_NEWEST, {"document": document_id}).one_or_none()
    if newest is None or newest.kind == RevisionKind.DELETE.value:
        return None
    if newest.state in _OWN_TEXT:
        return newest
    # One that said nothing new keeps no text, and after a restore an older one may be live.
    return tx.execute(_LIVE, {"document": document_id}).one_or_none()


_OWN_TEXT = (State.PENDING.value, State.CLAIMED.value, State.FAILED.value)
_CONTENT = (RevisionRow.title, RevisionRow.text, RevisionRow.metadata_json)
_NEWEST = (
    select(RevisionRow.kind, RevisionRow.state, *_CONTENT)
    .where(
        RevisionRow.document_id == bindparam("document"),
        RevisionRow.state.not_in(NEVER_COUNTED),
        not_(and_(RevisionRow.state == State.FAILED.value, RevisionRow.forgotten)),
    )
    .order_by(RevisionRow.id.desc())
    .limit(1)
)
_LIVE = (
    select(*_CONTENT)
    .join(LivenessRow, LivenessRow.revision_id == RevisionRow.id)
    .where(
        LivenessRow.document_id == bindparam("document"),
        LivenessRow.to_version.is_(None),
        LivenessRow.kind == RevisionKind.PUT.value,
    )
)
