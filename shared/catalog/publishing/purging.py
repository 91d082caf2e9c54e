"""Erase a document from the catalog, in the transaction that swaps the manifests.

What stays is that its revisions were in their jobs, and how they ended, under an id of no use;
and the checksums of whole submissions that keys hold. Rejected messages cannot be searched for a
document: one that held its text keeps it. The pages that held the text are overwritten on SQLite
(`secure_delete`); PostgreSQL does so at its next VACUUM, and its backups and logs keep theirs.
"""

from sqlalchemy import Connection, delete, select, update

from shared.catalog.engine.clock import db_now
from shared.catalog.engine.identity import new_id
from shared.catalog.publishing.forgetting import ERASED
from shared.catalog.publishing.lifetimes import live_at
from shared.catalog.queue.giving_back import end, give_back
from shared.catalog.tables import (
    ACTIVE,
    CLAIMED,
    KEPT_STATES,
    PENDING,
    AttemptRow,
    ChunkRow,
    DocumentRow,
    FieldRow,
    LivenessRow,
    OriginRow,
    RenditionRow,
    RevisionRow,
    VersionRow,
)
from shared.domain import Attempt, RevisionKind, State
from shared.errors import DocumentNotFound

_EMPTY = dict(ERASED) | {
    "content_sha256": "",
    "text_sha256": "",
    "external_version": None,
    "characters": 0,
    "error": None,
    "warnings": None,
}


def purge(tx: Connection, attempt: Attempt, external_id: str) -> None:
    """Erase a document of the attempt's collection, all its revisions, chunks and intervals.

    Its waiting revisions are cancelled; claims that hold one are revoked, and so are other
    attempts without a claim, since a merge under way may have copied its vectors.

    Raises:
        DocumentNotFound: no document of the collection has this id.
    """
    document_id = _lock(tx, attempt.collection_id, external_id)
    _revoke_others(tx, attempt)
    _cancel(tx, document_id)
    _count_one_less(tx, attempt.collection_id, document_id)
    revisions = select(RevisionRow.id).where(RevisionRow.document_id == document_id)
    tx.execute(delete(ChunkRow).where(ChunkRow.revision_id.in_(revisions)))
    tx.execute(delete(RenditionRow).where(RenditionRow.revision_id.in_(revisions)))
    tx.execute(delete(FieldRow).where(FieldRow.revision_id.in_(revisions)))
    tx.execute(delete(LivenessRow).where(LivenessRow.document_id == document_id))
    tx.execute(delete(OriginRow).where(OriginRow.document_id == document_id))
    tx.execute(update(RevisionRow).where(RevisionRow.document_id == document_id).values(**_EMPTY))
    # Ids never begin with a blank, so a document to come cannot have this one.
    tx.execute(
        update(DocumentRow)
        .where(DocumentRow.id == document_id)
        .values(
            external_id=f" purged {new_id()}",
            external_version=None,
            touched_at=0.0,
            purged_at=db_now(),
        )
    )


def _lock(tx: Connection, collection_id: int, external_id: str) -> int:
    """Keep submissions of the document waiting; they will make a new one."""
    document_id = tx.scalar(
        select(DocumentRow.id)
        .where(DocumentRow.collection_id == collection_id, DocumentRow.external_id == external_id)
        .with_for_update()
    )
    if document_id is None:
        raise DocumentNotFound(f"There is no document {external_id!r}.")
    return document_id


def _revoke_others(tx: Connection, attempt: Attempt) -> None:
    tx.execute(
        update(AttemptRow)
        .where(
            AttemptRow.collection_id == attempt.collection_id,
            AttemptRow.claim_id.is_(None),
            AttemptRow.state == ACTIVE,
        )
        .values(state="revoked", ended_at=db_now())
    )


def _cancel(tx: Connection, document_id: int) -> None:
    """Cancel what waits of the document, taking it out of claims first.

    Again until nothing waits: a claim may be taken or end between two statements.
    """
    of_document = RevisionRow.document_id == document_id
    pending = update(RevisionRow).where(of_document, RevisionRow.state == PENDING)
    claimed = select(RevisionRow.claim_id).where(of_document, RevisionRow.state == CLAIMED)
    rebuilt = (
        select(RenditionRow.claim_id)
        .join(RevisionRow, RevisionRow.id == RenditionRow.revision_id)
        .where(of_document, RenditionRow.state == CLAIMED)
    )
    while True:
        tx.execute(pending.values(state=State.CANCELLED.value))
        claims = sorted({one for one in tx.scalars(claimed.union(rebuilt)) if one is not None})
        if not claims:
            return
        for claim_id in claims:
            end(tx, claim_id, "revoked", reason="A document in it was purged.")
            give_back(tx, claim_id)


def _count_one_less(tx: Connection, collection_id: int, document_id: int) -> None:
    """Correct the number of documents of the versions that hold it."""
    holds = (
        select(LivenessRow.document_id)
        .where(
            LivenessRow.document_id == document_id,
            LivenessRow.kind == RevisionKind.PUT.value,
            *live_at(LivenessRow, VersionRow.version),
        )
        .exists()
    )
    tx.execute(
        update(VersionRow)
        .where(VersionRow.collection_id == collection_id, VersionRow.state.in_(KEPT_STATES), holds)
        .values(documents=VersionRow.documents - 1)
    )
