"""Which vectors belong to what: by metadata, by document."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from functools import partial

import numpy as np
from sqlalchemy import ColumnElement, Connection, bindparam, func, select, text
from sqlalchemy.orm import aliased

from shared.catalog.content.fields import FILED, ROOT, UNFILED, file_some, has_unfiled
from shared.catalog.content.filtering import Asked, holds
from shared.catalog.engine.database import Database
from shared.catalog.publishing.lifetimes import live_at, pages
from shared.catalog.tables import ChunkRow, DocumentRow, FieldRow, LivenessRow, RevisionRow
from shared.domain import Ids, RevisionKind
from shared.domain.filters import Filter, matches
from shared.errors import DocumentNotFound


class SqlMatching:
    """The port `Matching` in SQL."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def matching(
        self, collection_id: int, space_id: int, condition: Filter, *, first: int, last: int
    ) -> Ids:
        """Return the vectors from *first* to *last* whose revisions match, rising."""
        file_rest(self._database, collection_id)
        vectors = (
            ChunkRow.space_id == space_id,
            ChunkRow.vector_id >= first,
            ChunkRow.vector_id <= last,
        )
        with self._database.read() as tx:
            asked = Asked(
                collection_id=collection_id,
                revision=_root.revision_id,
                listed=tx.dialect.name == "sqlite",
            )
            roots = (
                select(ChunkRow.vector_id)
                .select_from(_root)
                .join(ChunkRow, ChunkRow.revision_id == _root.revision_id)
                .where(_root.collection_id == collection_id, _root.path == ROOT, _IS_ROOT, *vectors)
            )
            if last - first < _FEW:
                ends = _ends(tx, vectors)
                asked = replace(asked, first=ends[0], last=ends[1])
                roots = roots.where(_root.revision_id.between(*ends))
            filed = roots.where(_root.kind == FILED, holds(condition, asked))
            found = _ids(tx.scalars(filed))
            unfiled = (
                roots.add_columns(RevisionRow.metadata_json)
                .join(RevisionRow, RevisionRow.id == _root.revision_id)
                .where(_root.kind == UNFILED)
            )
            looked_at = [
                row.vector_id
                for row in tx.execute(unfiled)
                if matches(condition, json.loads(row.metadata_json))
            ]
        return np.sort(np.concatenate([found, _ids(looked_at)]))

    def owners(self, vector_ids: Sequence[int]) -> Mapping[int, int]:
        """Return the documents of vectors, by vector; those that were purged are missing."""
        owners: dict[int, int] = {}
        with self._database.read() as tx:
            for page in pages(vector_ids):
                rows = tx.execute(_OWNERS, {"ids": page})
                owners |= {row.vector_id: row.document_id for row in rows}
        return owners

    def siblings(self, vector_ids: Sequence[int]) -> Ids:
        """Return all vectors of the revisions that these belong to, of the same spaces, rising."""
        found = [np.empty(0, dtype=np.int64)]
        with self._database.read() as tx:
            found += [_ids(tx.scalars(_SIBLINGS, {"ids": page})) for page in pages(vector_ids)]
        return np.unique(np.concatenate(found))

    def document(
        self, collection_id: int, external_id: str, *, space_id: int, version: int
    ) -> tuple[int, Ids]:
        """Return a document's id and its vectors of a space as of a version, rising.

        Raises:
            DocumentNotFound: the version does not hold it.
        """
        live = (
            select(DocumentRow.id, LivenessRow.revision_id)
            .join(LivenessRow, LivenessRow.document_id == DocumentRow.id)
            .where(
                DocumentRow.collection_id == collection_id,
                DocumentRow.external_id == external_id,
                LivenessRow.kind == RevisionKind.PUT.value,
                *live_at(LivenessRow, version),
            )
        )
        with self._database.read() as tx:
            row = tx.execute(live).one_or_none()
            if row is None:
                raise DocumentNotFound(f"Version {version} holds no document {external_id!r}.")
            of_revision = select(ChunkRow.vector_id).where(
                ChunkRow.revision_id == row.revision_id, ChunkRow.space_id == space_id
            )
            return row.id, np.sort(_ids(tx.scalars(of_revision)))


def file_rest(database: Database, collection_id: int) -> None:
    """File what an earlier Lamina wrote, in steps; nearly always there is nothing."""
    with database.read() as tx:
        if not has_unfiled(tx, collection_id):
            return
    step = partial(_file_step, collection_id=collection_id)
    while database.run(step):
        pass


def _ends(tx: Connection, vectors: Sequence[ColumnElement[bool]]) -> tuple[int, int]:
    """Return the first and last revision that these vectors are of; none lie from 1 to 0."""
    ends = select(func.min(ChunkRow.revision_id), func.max(ChunkRow.revision_id)).where(*vectors)
    first, last = tx.execute(ends).one()
    return first or 1, last or 0


def _file_step(tx: Connection, *, collection_id: int) -> bool:
    return file_some(tx, collection_id)


_root = aliased(FieldRow, name="root")
_IS_ROOT = text("root.kind NOT IN ('text', 'number')")
"""As the partial index says it: SQLite sees no bound values when it chooses one."""
_FEW = 5000
"""Vectors for which it is worth finding their revisions first."""
_mine = aliased(ChunkRow, name="mine")
_OWNERS = (
    select(ChunkRow.vector_id, RevisionRow.document_id)
    .join(RevisionRow, RevisionRow.id == ChunkRow.revision_id)
    .where(ChunkRow.vector_id.in_(bindparam("ids", expanding=True)))
)
_SIBLINGS = (
    select(ChunkRow.vector_id)
    .join(
        _mine,
        (_mine.revision_id == ChunkRow.revision_id) & (_mine.space_id == ChunkRow.space_id),
    )
    .where(_mine.vector_id.in_(bindparam("ids", expanding=True)))
    .distinct()
)


def _ids(found: Iterable[int]) -> Ids:
    return np.fromiter(found, dtype=np.int64)
