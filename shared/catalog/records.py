"""What users look up."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace

from sqlalchemy import Connection, func, select

from shared.catalog.collections import find
from shared.catalog.database import Database
from shared.catalog.dialect import AnyRow
from shared.catalog.jobs import JOBS, read_errors, read_jobs, read_warnings
from shared.catalog.publications import read_spans
from shared.catalog.tables import (
    ClaimRow,
    DocumentRow,
    JobRow,
    LivenessRow,
    PassRow,
    RejectionRow,
    RevisionRow,
    VersionRow,
)
from shared.domain import (
    ChunkSpan,
    DocumentReport,
    JobReport,
    Rejection,
    RevisionKind,
    State,
    VersionKind,
    VersionReport,
)
from shared.errors import DocumentNotFound, JobNotFound


class SqlRecords:
    """The port `Records` in SQL."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def job(self, job_id: str, *, issues: int = 100) -> JobReport:
        """Return a job with at most *issues* errors and as many warnings.

        Raises:
            JobNotFound: there is none.
        """
        with self._database.read() as tx:
            reports = read_jobs(tx, JOBS.where(JobRow.id == job_id))
            if not reports:
                raise JobNotFound(f"There is no job {job_id!r}.")
            errors = read_errors(tx, job_id, issues)
            warnings = read_warnings(tx, job_id, issues)
        return replace(reports[0], errors=errors, warnings=warnings)

    def jobs(self, *, limit: int, collection: str | None = None) -> Sequence[JobReport]:
        """Return the newest jobs, without their errors and warnings."""
        wanted = JOBS.order_by(JobRow.accepted_at.desc(), JobRow.id.desc()).limit(limit)
        with self._database.read() as tx:
            if collection is not None:
                wanted = wanted.where(JobRow.collection_id == find(tx, collection))
            return read_jobs(tx, wanted)

    def document(self, collection: str, external_id: str) -> DocumentReport:
        """Return the newest revision of a document; one that came too late does not count.

        Raises:
            CollectionNotFound: no such collection.
            DocumentNotFound: never accepted, or its newest revision is an indexed delete.
        """
        with self._database.read() as tx:
            collection_id = find(tx, collection)
            row = tx.execute(
                _DOCUMENT.where(
                    DocumentRow.collection_id == collection_id,
                    DocumentRow.external_id == external_id,
                )
            ).one_or_none()
            if row is None or _deleted(row):
                raise DocumentNotFound(f"There is no document {external_id!r}.")
            chunks = _chunks(tx, row)
        return _document(row, chunks)

    def versions(self, collection: str, *, limit: int) -> Sequence[VersionReport]:
        """Return the newest versions of a collection."""
        with self._database.read() as tx:
            rows = tx.execute(
                select(VersionRow.__table__)
                .where(VersionRow.collection_id == find(tx, collection))
                .order_by(VersionRow.version.desc())
                .limit(limit)
            ).all()
        return [
            VersionReport(
                version=row.version,
                kind=VersionKind(row.kind),
                published_at=row.published_at,
                documents=row.documents,
                vectors=row.vectors,
                segments=row.segments,
                first_loaded_at=row.first_loaded_at,
            )
            for row in rows
        ]

    def rejections(self, *, limit: int) -> Sequence[tuple[int, float, Rejection]]:
        """Return the newest rejected messages with id and time."""
        newest = select(RejectionRow.__table__).order_by(RejectionRow.id.desc()).limit(limit)
        with self._database.read() as tx:
            rows = tx.execute(newest).all()
        return [(row.id, row.received_at, _rejection(row)) for row in rows]

    def claims(self, *, limit: int) -> Sequence[Mapping[str, object]]:
        """Return the newest claims: worker, lane, documents, tokens, waste and so on."""
        passes = select(func.count()).where(PassRow.claim_id == ClaimRow.id).scalar_subquery()
        newest = select(ClaimRow.__table__, passes.label("passes"))
        with self._database.read() as tx:
            rows = tx.execute(newest.order_by(ClaimRow.id.desc()).limit(limit)).all()
        return [_claim(row) for row in rows]


_version = VersionRow.__table__.alias("published")
_DOCUMENT = (
    select(
        DocumentRow.external_id,
        RevisionRow.__table__,
        _version.c.first_loaded_at,
    )
    .join(RevisionRow, RevisionRow.document_id == DocumentRow.id)
    .outerjoin(
        _version,
        (_version.c.collection_id == RevisionRow.collection_id)
        & (_version.c.version == RevisionRow.version),
    )
    .where(RevisionRow.state != State.SUPERSEDED.value)
    .order_by(RevisionRow.id.desc())
    .limit(1)
)


def _deleted(row: AnyRow) -> bool:
    published = row.state in (State.INDEXED.value, State.UNCHANGED.value)
    return published and row.kind == RevisionKind.DELETE.value


def _chunks(tx: Connection, row: AnyRow) -> tuple[ChunkSpan, ...]:
    """Return the revision's chunks, or of the live one that it says the same as."""
    revision_id = row.id
    if row.state == State.UNCHANGED.value:
        revision_id = tx.scalar(
            select(LivenessRow.revision_id).where(
                LivenessRow.document_id == row.document_id, LivenessRow.to_version.is_(None)
            )
        )
    return read_spans(tx, [revision_id]).get(revision_id, ())


def _document(row: AnyRow, chunks: tuple[ChunkSpan, ...]) -> DocumentReport:
    return DocumentReport(
        id=row.external_id,
        revision_id=row.id,
        kind=RevisionKind(row.kind),
        state=State(row.state),
        title=row.title,
        text=row.text,
        metadata=json.loads(row.metadata_json),
        warnings=tuple(json.loads(row.warnings or "[]")),
        error=row.error,
        job_id=row.job_id,
        version=row.version,
        accepted_at=row.accepted_at,
        claimed_at=row.claimed_at,
        encoded_at=row.encoded_at,
        published_at=row.published_at,
        first_loaded_at=row.first_loaded_at,
        chunks=chunks,
    )


def _rejection(row: AnyRow) -> Rejection:
    return Rejection(
        source=row.source,
        raw=row.raw,
        reason=row.reason,
        detail=row.detail,
        collection=row.collection,
        key=row.key,
    )


def _claim(row: AnyRow) -> dict[str, object]:
    claim = dict(row._mapping)  # noqa: SLF001 - SQLAlchemy's public name for a row as a mapping
    padded, seconds = row.padded_tokens or 0, row.seconds or 0
    claim["padding_waste"] = 1 - row.tokens / padded if padded else 0.0
    claim["tokens_per_second"] = row.tokens / seconds if seconds else 0.0
    return claim
