"""Attempts and the head: how a version comes to be."""

from collections.abc import Mapping, Sequence

from sqlalchemy import Connection, bindparam, insert, literal, select, update

from shared.catalog.collections.collections import live_space
from shared.catalog.content.reading import HEAD_COLUMNS, head_of
from shared.catalog.engine.clock import db_now, read_clock
from shared.catalog.engine.database import Database
from shared.catalog.engine.dialect import AnyRow
from shared.catalog.engine.identity import new_id
from shared.catalog.publishing.committing import publish
from shared.catalog.publishing.rewriting import rewrite
from shared.catalog.tables import (
    ACTIVE,
    VECTOR_COUNTER,
    AttemptRow,
    ChunkRow,
    CounterRow,
    HeadRow,
    LivenessRow,
    RevisionRow,
    VersionRow,
)
from shared.domain import Attempt, ChunkSpan, Commit, Head, LiveRevision, RevisionKind, Rewriting
from shared.errors import CollectionNotFound


class SqlPublications:
    """The port `Publications` in SQL."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def register(
        self, collection_id: int, *, vectors: int, claim_id: int | None, worker: str
    ) -> Attempt:
        """Register an attempt before any file is written, and reserve its vector ids."""
        attempt_id = new_id()

        def work(tx: Connection) -> Attempt:
            last = tx.execute(
                update(CounterRow)
                .where(CounterRow.name == VECTOR_COUNTER)
                .values(value=CounterRow.value + literal(vectors))
                .returning(CounterRow.value)
            ).scalar_one()
            first, started_at = last - vectors + 1, read_clock(tx)
            tx.execute(
                insert(AttemptRow).values(
                    id=attempt_id,
                    collection_id=collection_id,
                    claim_id=claim_id,
                    worker=worker,
                    state="active",
                    first_vector_id=first,
                    vectors=vectors,
                    started_at=started_at,
                )
            )
            return Attempt(
                id=attempt_id,
                collection_id=collection_id,
                first_vector_id=first,
                started_at=started_at,
            )

        return self._database.run(work)

    def base(
        self, collection_id: int, document_ids: Sequence[int]
    ) -> tuple[Head, Mapping[int, LiveRevision]]:
        """Read, in one snapshot, the head and what is live there of these documents.

        `revision_id` is the newest revision that the live one answers: its own, or a later
        one that was found to say the same. A revision below it is superseded.
        """
        with self._database.read() as tx:
            head = tx.execute(_HEAD, {"collection": collection_id}).one_or_none()
            if head is None:
                raise CollectionNotFound(f"No collection has the id {collection_id}.")
            rows = tx.execute(_LIVE, {"documents": document_ids}).all()
            space = live_space(tx, collection_id).id
            spans = read_spans(tx, [row.revision_id for row in rows], space)
        return head_of(head), {
            row.document_id: _live_revision(row, spans.get(row.revision_id, ())) for row in rows
        }

    def commit(self, commit: Commit) -> Head:
        """Publish in one short transaction; return the new head (the old one if no manifest).

        Raises:
            VersionConflict: another version was published; nothing was written.
            Fenced: the attempt or the claim was revoked; nothing was written.
            VersionExpired, VersionNotFound: the version to restore is not there any more.
            CommitUnknown: the connection was lost during COMMIT; ask `outcome`.
        """
        return self._database.run(lambda tx: publish(tx, commit))

    def outcome(self, attempt_id: str) -> Head | None:
        """Return the head that the attempt published, or None if it did not."""
        with self._database.read() as tx:
            row = tx.execute(
                select(
                    VersionRow.collection_id,
                    VersionRow.version,
                    VersionRow.manifest_file,
                    VersionRow.manifest_sha256,
                    VersionRow.published_at,
                ).where(VersionRow.attempt_id == attempt_id)
            ).one_or_none()
        return head_of(row) if row else None

    def abandon(self, attempt_id: str) -> None:
        """Say that an active attempt will not be finished."""
        gone = (
            update(AttemptRow)
            .where(AttemptRow.id == attempt_id, AttemptRow.state == ACTIVE)
            .values(state="abandoned", ended_at=db_now())
        )
        self._database.run(lambda tx: tx.execute(gone).rowcount)

    def rewrite(self, rewriting: Rewriting) -> None:
        """Swap the manifests of several versions, which keep their numbers, in one transaction.

        Raises:
            VersionConflict: a version was published, let go or rewritten meanwhile; nothing
                was written.
            Fenced: the attempt was revoked; nothing was written.
            DocumentNotFound: there is no document to purge; nothing was written.
            CommitUnknown: the connection was lost during COMMIT; ask `Versions.attempts`.
        """
        self._database.run(lambda tx: rewrite(tx, rewriting))
        if rewriting.purged is not None:
            self._database.empty_log()


_HEAD = select(*HEAD_COLUMNS).where(HeadRow.collection_id == bindparam("collection"))
_LIVE = (
    select(
        LivenessRow.document_id,
        LivenessRow.revision_id,
        LivenessRow.settled_id,
        LivenessRow.kind,
        RevisionRow.content_sha256,
        RevisionRow.text_sha256,
    )
    .join(RevisionRow, RevisionRow.id == LivenessRow.revision_id)
    .where(
        LivenessRow.document_id.in_(bindparam("documents", expanding=True)),
        LivenessRow.to_version.is_(None),
    )
)
_SPANS = (
    select(
        ChunkRow.revision_id,
        ChunkRow.vector_id,
        ChunkRow.begins,
        ChunkRow.ends,
        ChunkRow.tokens,
    )
    .where(
        ChunkRow.revision_id.in_(bindparam("revisions", expanding=True)),
        ChunkRow.space_id == bindparam("space"),
    )
    .order_by(ChunkRow.revision_id, ChunkRow.ordinal)
)


def read_spans(
    tx: Connection, revision_ids: Sequence[int], space_id: int
) -> dict[int, tuple[ChunkSpan, ...]]:
    """Return the chunks of these revisions in a space, in the order of their text."""
    rows = tx.execute(_SPANS, {"revisions": revision_ids, "space": space_id})
    spans: dict[int, tuple[ChunkSpan, ...]] = {}
    for row in rows:
        span = ChunkSpan(vector_id=row.vector_id, start=row.begins, end=row.ends, tokens=row.tokens)
        spans[row.revision_id] = (*spans.get(row.revision_id, ()), span)
    return spans


def _live_revision(row: AnyRow, chunks: tuple[ChunkSpan, ...]) -> LiveRevision:
    return LiveRevision(
        revision_id=row.settled_id,
        kind=RevisionKind(row.kind),
        content_sha256=row.content_sha256,
        text_sha256=row.text_sha256,
        chunks=chunks,
    )
