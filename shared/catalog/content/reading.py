"""What searches read."""

import json
from collections.abc import Mapping, Sequence

from sqlalchemy import Connection, Integer, bindparam, cast, func, select, update

from shared.catalog.collections.naming import DELETED
from shared.catalog.engine.clock import db_now
from shared.catalog.engine.database import Database
from shared.catalog.engine.dialect import AnyRow
from shared.catalog.files.origins import ORIGIN, is_of, origin_of
from shared.catalog.publishing.lifetimes import require_live
from shared.catalog.tables import (
    HEAD_COUNTER,
    WAITING_STATES,
    ChunkRow,
    CounterRow,
    DocumentRow,
    HeadRow,
    LivenessRow,
    OriginRow,
    RevisionRow,
    VersionRow,
)
from shared.domain import Head, PassageRecord, VersionKind
from shared.errors import CollectionNotFound

HEAD_COLUMNS = (
    HeadRow.collection_id,
    HeadRow.version,
    HeadRow.manifest_file,
    HeadRow.manifest_sha256,
    HeadRow.published_at,
)
_PAGE = 1000  # vectors, or other things, in one statement


class SqlReading:
    """The port `Reading` in SQL."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def counter(self) -> int:
        """Return the head counter: it moves with each change of any collection's head."""
        with self._database.glance() as tx:
            return tx.execute(_COUNTER).scalar_one()

    def heads(self) -> Mapping[int, Head]:
        """Return the head of every collection by its id."""
        with self._database.glance() as tx:
            rows = tx.execute(_HEADS).all()
        return {row.collection_id: head_of(row) for row in rows}

    def head(self, collection_id: int) -> Head:
        """Return the head of a collection; `CollectionNotFound` if it is deleted, or never was."""
        with self._database.glance() as tx:
            row = tx.execute(_HEADS.where(HeadRow.collection_id == collection_id)).one_or_none()
        if row is None:
            raise CollectionNotFound(f"The collection {collection_id} is deleted.")
        return head_of(row)

    def version(self, collection_id: int, version: int) -> Head:
        """Return where a version's manifest is.

        Raises:
            VersionNotFound: never published.
            VersionExpired: the retention rule let it go.
        """
        with self._database.glance() as tx:
            row = tx.execute(
                select(
                    VersionRow.collection_id,
                    VersionRow.version,
                    VersionRow.manifest_file,
                    VersionRow.manifest_sha256,
                    VersionRow.published_at,
                    VersionRow.state,
                ).where(VersionRow.collection_id == collection_id, VersionRow.version == version)
            ).one_or_none()
        return head_of(require_live(version, row))

    def passages(self, vector_ids: Sequence[int]) -> Mapping[int, PassageRecord]:
        """Return what the vectors stand for; immutable, so right at every version."""
        records: dict[int, PassageRecord] = {}
        with self._database.read() as tx:
            for start in range(0, len(vector_ids), _PAGE):
                page = [int(one) for one in vector_ids[start : start + _PAGE]]
                for row in tx.execute(_PASSAGES, {"ids": page}):
                    records[row.vector_id] = _passage(row)
        return records

    def waiting(self, collection_id: int) -> int:
        """Return how many accepted revisions are pending or claimed."""
        with self._database.glance() as tx:
            return tx.execute(_WAITING, {"collection": collection_id}).scalar_one()

    def loaded(self, collection_id: int, version: int) -> Sequence[float]:
        """Stamp versions up to *version* as loaded by a reader, where not stamped yet.

        Return how long documents that these brought had waited since they were accepted, seconds.
        """
        new = (
            VersionRow.collection_id == collection_id,
            VersionRow.version <= version,
            VersionRow.first_loaded_at.is_(None),
        )
        with self._database.glance() as tx:
            if tx.scalar(select(VersionRow.version).where(*new).limit(1)) is None:
                return ()
        stamp = update(VersionRow).where(*new).values(first_loaded_at=db_now())
        stamped = stamp.returning(VersionRow.version, VersionRow.kind)

        def work(tx: Connection) -> Sequence[float]:
            brought = [
                row.version for row in tx.execute(stamped) if row.kind == VersionKind.COMMIT.value
            ]
            wanted = {"collection": collection_id, "versions": brought[-_PAGE:], "most": _PAGE}
            waited = tx.scalars(_WAITED, wanted) if brought else ()
            return [one for one in waited if one is not None]

        return self._database.run(work)


_COUNTER = select(CounterRow.value).where(CounterRow.name == HEAD_COUNTER)
_HEADS = select(*HEAD_COLUMNS).where(HeadRow.collection_id.not_in(DELETED))
_WAITING = (
    select(func.count())
    .select_from(RevisionRow)
    .where(
        RevisionRow.collection_id == bindparam("collection"),
        RevisionRow.state.in_(WAITING_STATES),
    )
)
_WAITED = (
    select(VersionRow.first_loaded_at - RevisionRow.accepted_at)
    .select_from(LivenessRow)
    .join(RevisionRow, RevisionRow.id == LivenessRow.revision_id)
    .join(
        VersionRow,
        (VersionRow.collection_id == LivenessRow.collection_id)
        & (VersionRow.version == LivenessRow.from_version),
    )
    .where(
        LivenessRow.collection_id == bindparam("collection"),
        LivenessRow.from_version.in_(bindparam("versions", expanding=True)),
    )
    .limit(bindparam("most"))
)
_PASSAGES = (
    select(
        ChunkRow.vector_id,
        RevisionRow.document_id,
        ChunkRow.revision_id,
        DocumentRow.external_id,
        RevisionRow.title,
        # Cut by the database, which counts characters as Python does, but from 1.
        func.substr(
            RevisionRow.text,
            cast(ChunkRow.begins + 1, Integer),
            cast(ChunkRow.ends - ChunkRow.begins, Integer),
        ).label("passage"),
        ChunkRow.begins,
        ChunkRow.ends,
        RevisionRow.metadata_json,
        *ORIGIN,
    )
    .join(RevisionRow, RevisionRow.id == ChunkRow.revision_id)
    .join(DocumentRow, DocumentRow.id == RevisionRow.document_id)
    .outerjoin(OriginRow, is_of(RevisionRow))
    .where(ChunkRow.vector_id.in_(bindparam("ids", expanding=True)))
)


def head_of(row: AnyRow) -> Head:
    """Return the head that a row with its columns tells of."""
    return Head(
        collection_id=row.collection_id,
        version=row.version,
        manifest_file=row.manifest_file,
        manifest_sha256=row.manifest_sha256,
        published_at=row.published_at,
    )


def _passage(row: AnyRow) -> PassageRecord:
    return PassageRecord(
        vector_id=row.vector_id,
        document_id=row.document_id,
        revision_id=row.revision_id,
        external_id=row.external_id,
        title=row.title,
        passage=row.passage,
        start=row.begins,
        end=row.ends,
        metadata=json.loads(row.metadata_json),
        origin=origin_of(row),
    )
