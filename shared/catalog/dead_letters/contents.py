"""What was handed in with a dead letter, as it is kept."""

import json
from collections.abc import Mapping
from typing import cast

from sqlalchemy import Connection, select

from shared.catalog.engine.dialect import AnyRow
from shared.catalog.tables import DocumentRow, RejectionRow, RevisionRow
from shared.domain import (
    Json,
    Lane,
    Metadata,
    NewDocument,
    RevisionKind,
    Submission,
    sha256_of,
)

_QUEUE = "queue:"


def read_document_content(tx: Connection, revision_id: int) -> NewDocument:
    """Return the document as it was accepted."""
    row = tx.execute(_DOCUMENT.where(RevisionRow.id == revision_id)).one()
    return NewDocument(
        id=row.external_id,
        title=row.title,
        text=row.text,
        metadata=json.loads(row.metadata_json),
        kind=RevisionKind(row.kind),
        external_version=row.external_version,
    )


def read_message_content(tx: Connection, rejection_id: int) -> Submission | bytes:
    """Return the message's bytes, or the submission where it was one when it was refused."""
    row = tx.execute(_MESSAGE.where(RejectionRow.id == rejection_id)).one()
    raw = bytes(row.raw)
    # Before forms were noted, documents were kept as a list; no message is one.
    if row.form != "documents" and raw[:1] != b"[":
        return raw
    try:
        kept = json.loads(raw)
        return _submission(row, kept if isinstance(kept, dict) else _guess(row, kept))
    except (ValueError, KeyError, TypeError, RecursionError):  # cut, or of something else
        return raw


_DOCUMENT = select(
    DocumentRow.external_id,
    RevisionRow.title,
    RevisionRow.text,
    RevisionRow.metadata_json,
    RevisionRow.kind,
    RevisionRow.external_version,
).join(DocumentRow, DocumentRow.id == RevisionRow.document_id)
_MESSAGE = select(
    RejectionRow.form,
    RejectionRow.source,
    RejectionRow.collection,
    RejectionRow.key,
    RejectionRow.raw,
)


def _guess(row: AnyRow, documents: Json) -> Mapping[str, Json]:
    """Return what a submission of which only the documents were kept must have been."""
    queued = row.source.startswith(_QUEUE)
    return {
        "documents": documents,
        "lane": (Lane.BULK if queued else Lane.INTERACTIVE).name,
        "missing_ok": queued,
        "producer": "",
        "content_sha256": sha256_of(documents),
        "extra": {},
    }


def _submission(row: AnyRow, kept: Mapping[str, Json]) -> Submission:
    documents = cast("list[Mapping[str, Json]]", kept["documents"])
    return Submission(
        collection=row.collection or "",
        source=row.source,
        producer=str(kept["producer"]),
        documents=tuple(_new_document(one) for one in documents),
        key=row.key,
        content_sha256=str(kept["content_sha256"]),
        lane=Lane[str(kept["lane"])],
        missing_ok=bool(kept["missing_ok"]),
        extra=cast("Metadata", kept["extra"]),
    )


def _new_document(kept: Mapping[str, Json]) -> NewDocument:
    return NewDocument(
        id=str(kept["id"]),
        title=str(kept["title"]),
        text=str(kept["text"]),
        metadata=cast("Metadata", kept["metadata"]),
        kind=RevisionKind(str(kept["kind"])),
        external_version=cast("int | None", kept["external_version"]),
    )
