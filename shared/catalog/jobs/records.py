"""What users look up."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from sqlalchemy import ColumnElement, Connection, or_, select

from shared.catalog.collections.collections import live_space
from shared.catalog.collections.naming import find
from shared.catalog.content.lines import LINE_COLUMNS, line_of
from shared.catalog.engine.database import Database
from shared.catalog.engine.dialect import AnyRow, AnySelect
from shared.catalog.jobs.jobs import (
    JOBS,
    conditions_of,
    is_forgotten,
    read_errors,
    read_jobs,
    read_warnings,
)
from shared.catalog.publishing.publications import read_spans
from shared.catalog.publishing.versions import read_tags
from shared.catalog.queue.batches import read_claims
from shared.catalog.tables import (
    KEPT_STATES,
    LIVE,
    DocumentRow,
    JobRow,
    LivenessRow,
    RevisionRow,
    VersionRow,
)
from shared.domain import (
    ChunkSpan,
    DocumentLine,
    DocumentReport,
    JobFilter,
    JobReport,
    RevisionKind,
    State,
    VersionKind,
    VersionReport,
)
from shared.errors import DocumentNotFound, JobNotFound, VersionNotFound
from shared.ports.lookup import ALL_JOBS


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

    def jobs(
        self, which: JobFilter = ALL_JOBS, *, limit: int, collection: str | None = None
    ) -> Sequence[JobReport]:
        """Return the newest jobs of some kind, without their errors and warnings.

        Raises:
            CollectionNotFound: no such collection.
        """
        wanted = JOBS.order_by(JobRow.accepted_at.desc(), JobRow.id.desc()).limit(limit)
        with self._database.read() as tx:
            if collection is not None:
                wanted = wanted.where(JobRow.collection_id == find(tx, collection))
            return read_jobs(tx, wanted.where(*conditions_of(which)))

    def document(self, collection: str, external_id: str) -> DocumentReport:
        """Return the newest revision of a document; one that came too late does not count.

        Nor does one that a restore withdrew, where another revision is live.

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
            if row is None or is_deleted(row):
                raise DocumentNotFound(f"There is no document {external_id!r}.")
            content = _content(tx, row)
            space = live_space(tx, collection_id).id
            chunks = read_spans(tx, [content.id], space).get(content.id, ())
        return _document(row, content, chunks)

    def versions(
        self,
        collection: str,
        *,
        limit: int,
        before: int | None = None,
        content_only: bool = False,
        kept_only: bool = False,
    ) -> Sequence[VersionReport]:
        """Return the newest versions of a collection, those below *before* if given.

        With *content_only* without merges and the like; with *kept_only* without expired ones.
        """
        wanted = select(VersionRow.__table__).order_by(VersionRow.version.desc()).limit(limit)
        if before is not None:
            wanted = wanted.where(VersionRow.version < before)
        if content_only:
            wanted = wanted.where(VersionRow.kind.not_in(_TIDYING))
        if kept_only:
            # The first condition is that of the partial index.
            wanted = wanted.where(VersionRow.state.in_(KEPT_STATES), VersionRow.state == LIVE)
        with self._database.read() as tx:
            return read_versions(tx, find(tx, collection), wanted)

    def version(self, collection: str, version: int) -> VersionReport:
        """Return one version, expired ones too.

        Raises:
            CollectionNotFound, VersionNotFound
        """
        wanted = select(VersionRow.__table__).where(VersionRow.version == version)
        with self._database.read() as tx:
            reports = read_versions(tx, find(tx, collection), wanted)
        if not reports:
            raise VersionNotFound(f"There is no version {version}.")
        return reports[0]

    def claims(self, *, limit: int, job_id: str | None = None) -> Sequence[Mapping[str, object]]:
        """Return the newest claims: worker, lane, documents, tokens, waste and so on.

        With *job_id* only those of the job, and `of_job` says how many documents of it.
        """
        with self._database.read() as tx:
            return read_claims(tx, limit=limit, job_id=job_id)

    def revisions(self, collection: str, external_id: str, *, limit: int) -> Sequence[DocumentLine]:
        """Return the newest revisions of a document, whatever became of them, newest first.

        Raises:
            CollectionNotFound: no such collection.
            DocumentNotFound: never accepted, or purged.
        """
        with self._database.read() as tx:
            wanted = _REVISIONS.where(
                DocumentRow.collection_id == find(tx, collection),
                DocumentRow.external_id == external_id,
            )
            rows = tx.execute(wanted.order_by(RevisionRow.id.desc()).limit(limit)).all()
        if not rows:
            raise DocumentNotFound(f"There is no document {external_id!r}.")
        return [line_of(external_id, row) for row in rows]


_REVISIONS = (
    select(*LINE_COLUMNS, RevisionRow.title, RevisionRow.metadata_json)
    .join(DocumentRow, DocumentRow.id == RevisionRow.document_id)
    .where(DocumentRow.purged_at.is_(None))
)


_version = VersionRow.__table__.alias("published")
_TIDYING = tuple(kind.value for kind in VersionKind if not kind.has_content)
_is_live = (
    select(LivenessRow.revision_id)
    .where(LivenessRow.document_id == DocumentRow.id, LivenessRow.to_version.is_(None))
    .exists()
)


def may_be_newest(revision: type[RevisionRow]) -> tuple[ColumnElement[bool], ...]:
    """Return the conditions under which *revision* may be what its document is shown as.

    One that came too late is not, nor one that a restore withdrew where another is live.
    """
    undone = (State.WITHDRAWN.value, State.CANCELLED.value)
    return (
        revision.state != State.SUPERSEDED.value,
        or_(revision.state.not_in(undone), ~_is_live),
    )


def newest_first(revision: type[RevisionRow]) -> tuple[ColumnElement[Any], ...]:
    """Return the order that begins with what a document is shown as."""
    # Of withdrawn ones, rather one whose text is still there.
    return (revision.state == State.WITHDRAWN.value) & revision.forgotten, revision.id.desc()


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
    .where(*may_be_newest(RevisionRow))
    .order_by(*newest_first(RevisionRow))
    .limit(1)
)


def is_deleted(row: AnyRow) -> bool:
    """Whether a revision, newest of its document, says that there is none any more."""
    published = row.state in (State.INDEXED.value, State.UNCHANGED.value)
    return published and row.kind == RevisionKind.DELETE.value


def _content(tx: Connection, row: AnyRow) -> AnyRow:
    """Return the revision with the text: itself, or the live one that it says the same as."""
    if row.state != State.UNCHANGED.value:
        return row
    return tx.execute(
        select(RevisionRow.id, RevisionRow.title, RevisionRow.text, RevisionRow.metadata_json)
        .join(LivenessRow, LivenessRow.revision_id == RevisionRow.id)
        .where(LivenessRow.document_id == row.document_id, LivenessRow.to_version.is_(None))
    ).one()


def _document(row: AnyRow, content: AnyRow, chunks: tuple[ChunkSpan, ...]) -> DocumentReport:
    return DocumentReport(
        id=row.external_id,
        revision_id=row.id,
        kind=RevisionKind(row.kind),
        state=State(row.state),
        title=content.title,
        text=content.text,
        metadata=json.loads(content.metadata_json),
        warnings=tuple(json.loads(row.warnings or "[]")),
        error=row.error,
        job_id=None if is_forgotten(row.job_id) else row.job_id,
        version=row.version,
        accepted_at=row.accepted_at,
        claimed_at=row.claimed_at,
        encoded_at=row.encoded_at,
        published_at=row.published_at,
        first_loaded_at=row.first_loaded_at,
        chunks=chunks,
    )


def read_versions(tx: Connection, collection_id: int, wanted: AnySelect) -> list[VersionReport]:
    """Return the versions that *wanted* (a selection of version rows) finds, with their tags."""
    rows = tx.execute(wanted.where(VersionRow.collection_id == collection_id)).all()
    tags = read_tags(tx, collection_id, [row.version for row in rows])
    return [_report(row, tags.get(row.version, ())) for row in rows]


def _report(row: AnyRow, tags: tuple[str, ...]) -> VersionReport:
    return VersionReport(
        version=row.version,
        kind=VersionKind(row.kind),
        published_at=row.published_at,
        documents=row.documents,
        vectors=row.vectors,
        segments=row.segments,
        first_loaded_at=row.first_loaded_at,
        bytes=row.bytes,
        parent=row.parent,
        expired=row.state != "live",
        tags=tags,
        restored=row.restored,
    )
