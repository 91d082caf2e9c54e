"""What a version holds: vectors, and documents to archive or to encode anew."""

import json
from collections.abc import Sequence

import numpy as np
from sqlalchemy import Connection, collate, or_, select, union

from shared.catalog.engine.dialect import AnyRow
from shared.catalog.files.origins import ORIGIN, is_of, origin_of
from shared.catalog.publishing.lifetimes import live_at, pages, space_at
from shared.catalog.publishing.publications import read_spans
from shared.catalog.tables import (
    AttemptRow,
    ChunkRow,
    ClaimRow,
    DocumentRow,
    LivenessRow,
    OriginRow,
    RevisionRow,
    SegmentRow,
)
from shared.domain import ArchivedDocument, ChunkSpan, Ids, Lane, RevisionKind
from shared.errors import DocumentNotFound

_PUT = RevisionKind.PUT.value


def read_live_vectors(tx: Connection, collection_id: int, version: int) -> Ids:
    """Return the ids of the vectors that are live at *version*, in its space, rising."""
    ids = tx.scalars(
        select(ChunkRow.vector_id)
        .join(LivenessRow, LivenessRow.revision_id == ChunkRow.revision_id)
        .where(
            LivenessRow.collection_id == collection_id,
            *live_at(LivenessRow, version),
            ChunkRow.space_id == space_at(collection_id, version),
        )
    )
    return np.sort(np.fromiter(ids, dtype=np.int64))


def read_segments(tx: Connection, collection_id: int, version: int) -> dict[str, str]:
    """Return id and sha256 of the segments that *version* lists, by the mirror of manifests."""
    rows = tx.execute(
        select(SegmentRow.id, SegmentRow.sha256).where(
            SegmentRow.collection_id == collection_id,
            SegmentRow.first_version <= version,
            or_(SegmentRow.last_version.is_(None), SegmentRow.last_version >= version),
        )
    )
    return {row.id: row.sha256 for row in rows}


def read_vectors_of(tx: Connection, collection_id: int, external_id: str) -> Ids:
    """Return the ids of all vectors of a document, of every revision, rising.

    The files may still hold vectors, dead ones, of revisions whose chunks are forgotten. Their
    ids were reserved by the attempt that published them: so of its ids all those are returned
    which belong to no revision any more, whosesoever they were.

    Raises:
        DocumentNotFound: no document of the collection has this id.
    """
    document = tx.scalar(
        select(DocumentRow.id).where(
            DocumentRow.collection_id == collection_id, DocumentRow.external_id == external_id
        )
    )
    if document is None:
        raise DocumentNotFound(f"No document has the id {external_id!r}.")
    mine = (
        select(ChunkRow.vector_id)
        .join(RevisionRow, RevisionRow.id == ChunkRow.revision_id)
        .where(RevisionRow.document_id == document)
    )
    ids = [np.fromiter(tx.scalars(mine), dtype=np.int64)]
    ids += [_ownerless(tx, row.first_vector_id, row.vectors) for row in _forgotten(tx, document)]
    return np.unique(np.concatenate(ids))


def _forgotten(tx: Connection, document: int) -> Sequence[AnyRow]:
    """Return the attempts that may have published revisions of a document without chunks.

    Those of the claims that held them, and of every rebuild, which nothing tells apart.
    """
    chunks = select(ChunkRow.vector_id).where(ChunkRow.revision_id == RevisionRow.id).exists()
    bare = (
        select(RevisionRow.claim_id, RevisionRow.collection_id)
        .where(RevisionRow.document_id == document, ~chunks)
        .subquery("bare")
    )
    published = (
        select(AttemptRow.first_vector_id, AttemptRow.vectors)
        .where(AttemptRow.state == "committed", AttemptRow.vectors > 0)
        .distinct()
    )
    return tx.execute(
        union(
            published.join(bare, bare.c.claim_id == AttemptRow.claim_id),
            published.join(ClaimRow, ClaimRow.id == AttemptRow.claim_id)
            .join(bare, bare.c.collection_id == AttemptRow.collection_id)
            .where(ClaimRow.lane == Lane.REBUILD.value),
        )
    ).all()


def _ownerless(tx: Connection, first: int, count: int) -> Ids:
    """Return which of *count* vector ids from *first* on belong to no chunk."""
    taken = tx.scalars(
        select(ChunkRow.vector_id).where(ChunkRow.vector_id.between(first, first + count - 1))
    )
    reserved = np.arange(first, first + count, dtype=np.int64)
    return np.setdiff1d(reserved, np.fromiter(taken, dtype=np.int64), assume_unique=True)


def read_passages(
    tx: Connection, vector_ids: Sequence[int]
) -> dict[int, tuple[str, str, int, int]]:
    """Return title, text, start and end of the passages behind vectors."""
    found: dict[int, tuple[str, str, int, int]] = {}
    for page in pages([int(one) for one in vector_ids]):
        rows = tx.execute(
            select(
                ChunkRow.vector_id,
                RevisionRow.title,
                RevisionRow.text,
                ChunkRow.begins,
                ChunkRow.ends,
            )
            .join(RevisionRow, RevisionRow.id == ChunkRow.revision_id)
            .where(ChunkRow.vector_id.in_(page), ~RevisionRow.forgotten)
        )
        found |= {row.vector_id: (row.title, row.text, row.begins, row.ends) for row in rows}
    return found


def read_documents(
    tx: Connection, collection_id: int, version: int, *, after: str | None, limit: int
) -> list[ArchivedDocument]:
    """Return documents as *version* holds them, in the order of their ids' code points."""
    in_order = collate(DocumentRow.external_id, collation(tx))
    wanted = (
        select(
            DocumentRow.external_id,
            RevisionRow.id,
            RevisionRow.title,
            RevisionRow.text,
            RevisionRow.metadata_json,
            RevisionRow.external_version,
            OriginRow.upload_id,
            *ORIGIN,
        )
        .select_from(DocumentRow)
        .join(LivenessRow, LivenessRow.document_id == DocumentRow.id)
        .join(RevisionRow, RevisionRow.id == LivenessRow.revision_id)
        .outerjoin(OriginRow, is_of(RevisionRow))
        .where(
            DocumentRow.collection_id == collection_id,
            *live_at(LivenessRow, version),
            LivenessRow.kind == _PUT,
        )
        .order_by(in_order)
        .limit(limit)
    )
    if after is not None:
        wanted = wanted.where(in_order > after)
    rows = tx.execute(wanted).all()
    space = tx.execute(select(space_at(collection_id, version))).scalar_one()
    spans: dict[int, tuple[ChunkSpan, ...]] = {}
    for page in pages([row.id for row in rows]):
        spans |= read_spans(tx, page, space)
    return [_archived(row, spans.get(row.id, ())) for row in rows]


def collation(tx: Connection) -> str:
    """Return the collation that orders text by code points, as Python does."""
    return "BINARY" if tx.dialect.name == "sqlite" else "C"


def _archived(row: AnyRow, chunks: tuple[ChunkSpan, ...]) -> ArchivedDocument:
    return ArchivedDocument(
        id=row.external_id,
        title=row.title,
        text=row.text,
        metadata=json.loads(row.metadata_json),
        external_version=row.external_version,
        chunks=chunks,
        origin=origin_of(row),
        has_original=row.upload_id is not None,
    )
