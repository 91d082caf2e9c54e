"""Files as their owners see them: accepted, looked at first, followed, had back."""

import json
from collections.abc import Collection, Mapping, Sequence

from sqlalchemy import Connection, Update, bindparam, insert, select, text, update

from shared.catalog.collections.naming import find
from shared.catalog.engine.clock import read_clock
from shared.catalog.engine.database import Database
from shared.catalog.engine.dialect import AnyRow
from shared.catalog.engine.identity import new_id
from shared.catalog.files.origins import is_of
from shared.catalog.files.retrying import retry_failed
from shared.catalog.inbox.accepting import Job, open_job
from shared.catalog.jobs.records import may_be_newest, newest_first
from shared.catalog.tables import DocumentRow, OriginRow, RevisionRow, UploadRow
from shared.domain import (
    Bytes,
    Columns,
    FileFault,
    FileIssue,
    FileKind,
    FilesRetried,
    Lane,
    NewUpload,
    Original,
    Receipt,
    RevisionKind,
    Submission,
    UploadReport,
    UploadState,
)
from shared.errors import DocumentNotFound


class SqlUploads:
    """The port `Uploads` in SQL."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def accept(self, submission: Submission, files: Sequence[NewUpload]) -> Receipt:
        """Accept files to be parsed, as a new job; committed when this returns.

        Raises:
            CollectionNotFound, KeyReused
        """

        def work(tx: Connection) -> Receipt:
            job = open_job(tx, submission)
            if isinstance(job, Receipt):
                return job
            rows = upload_rows(files, job.collection_id, submission.lane, job.now)
            add_uploads(tx, [row | {"job_id": job.id} for row in rows])
            return Receipt(job_id=job.id, documents=())

        return self._database.run(work)

    def draft(self, collection: str, name: str, files: Sequence[NewUpload]) -> None:
        """Remember files under a secret name, until they are confirmed or given up.

        Raises:
            CollectionNotFound: there is none.
        """

        def work(tx: Connection) -> None:
            now = read_clock(tx)
            rows = upload_rows(files, find(tx, collection), Lane.INTERACTIVE, now)
            drafted = {"draft": name, "state": UploadState.DRAFT.value}
            add_uploads(tx, [row | drafted for row in rows])

        self._database.run(work)

    def drafted(self, collection: str, name: str) -> Sequence[tuple[UploadReport, NewUpload]]:
        """Return what is remembered under this name, in order; nothing if it was given up."""
        with self._database.read() as tx:
            mine = UploadRow.collection_id == find(tx, collection)
            rows = tx.execute(_DRAFTED.where(mine), {"draft": name}).all()
        return [(report_of(row), _new_upload(row)) for row in rows]

    def confirm(
        self, submission: Submission, name: str, columns: Mapping[str, Columns]
    ) -> Receipt | None:
        """Accept drafted files, as `accept` does; None if there are none under this name.

        Raises:
            CollectionNotFound: there is none.
        """

        def work(tx: Connection) -> Receipt | None:
            mine = UploadRow.collection_id == find(tx, submission.collection)
            rows = tx.execute(_DRAFTED.where(mine).with_for_update(), {"draft": name}).all()
            if not rows:
                return None
            job = open_job(tx, submission)
            if isinstance(job, Receipt):
                return job
            for row in rows:
                tx.execute(_confirmed(row, job, columns.get(row.id)))
            return Receipt(job_id=job.id, documents=())

        return self._database.run(work)

    def of_job(
        self, job_id: str, *, limit: int, behind: int = -1
    ) -> Sequence[tuple[int, UploadReport]]:
        """Return files of a job in order, those behind a place, each with its place."""
        wanted = _OF_JOB.where(UploadRow.ordinal > behind).limit(limit)
        with self._database.read() as tx:
            return [
                (row.ordinal, report_of(row)) for row in tx.execute(wanted, {"job": job_id}).all()
            ]

    def retry(self, job_id: str, *, names: Collection[str] | None) -> FilesRetried:
        """Let files of a job that failed wait again, all of them or those called so."""
        return self._database.run(lambda tx: retry_failed(tx, job_id, names))

    def original(self, collection: str, external_id: str) -> Original | None:
        """Return the file that a document's newest text was read from; None if it is not kept.

        Raises:
            CollectionNotFound, DocumentNotFound
        """
        with self._database.read() as tx:
            wanted = {"collection": find(tx, collection), "name": external_id}
            row = tx.execute(_ORIGINAL, wanted).one_or_none()
        if row is None or row.kind == RevisionKind.DELETE.value:
            raise DocumentNotFound(f"There is no document {external_id!r}.")
        if row.bytes_key is None or not row.has_bytes:
            return None
        return Original(
            name=row.name, media_type=FileKind(row.file_kind).media_type, bytes=_bytes(row)
        )


def upload_rows(
    files: Sequence[NewUpload], collection_id: int, lane: Lane, now: float, *, first: int = 0
) -> list[dict[str, object]]:
    """Return the rows of new files; *first* is the place of the first in its job."""
    return [
        {
            "id": new_id(),
            "collection_id": collection_id,
            "job_id": None,
            "draft": None,
            "ordinal": place,
            "name": one.name,
            "bytes_key": one.bytes.key,
            "sha256": one.bytes.sha256,
            "size": one.bytes.size,
            "has_bytes": True,
            "columns": dump_columns(one.columns),
            "in_archive": one.in_archive,
            "lane": lane.value,
            "state": UploadState.PENDING.value,
            "accepted_at": now,
        }
        for place, one in enumerate(files, first)
    ]


def add_uploads(tx: Connection, rows: Sequence[Mapping[str, object]]) -> None:
    """Store new files."""
    if rows:
        tx.execute(_INSERT, list(rows))


def dump_columns(columns: Columns) -> str:
    """Return which columns are what, as JSON."""
    return json.dumps({"id": columns.id, "title": columns.title, "text": columns.text})


def columns_of(row: AnyRow) -> Columns:
    """Return which columns are what in the file of a row."""
    said = json.loads(row.columns)
    return Columns(id=said["id"], title=said["title"], text=tuple(said["text"]))


def report_of(row: AnyRow) -> UploadReport:
    """Return what became of the file of a row."""
    issues = [FileIssue(where=where, detail=why) for where, why in json.loads(row.issues or "[]")]
    return UploadReport(
        id=row.id,
        name=row.name,
        size=row.size,
        state=UploadState(row.state),
        kind=None if row.kind is None else FileKind(row.kind),
        encoding=row.encoding,
        documents=row.documents,
        skipped=row.skipped,
        fault=None if row.fault is None else FileFault(row.fault),
        error=row.error,
        issues=tuple(issues),
        warnings=tuple(json.loads(row.warnings or "[]")),
        accepted_at=row.accepted_at,
        ended_at=row.ended_at,
    )


def _new_upload(row: AnyRow) -> NewUpload:
    return NewUpload(name=row.name, bytes=_bytes(row), columns=columns_of(row))


def _bytes(row: AnyRow) -> Bytes:
    return Bytes(key=row.bytes_key, sha256=row.sha256, size=row.size)


def _confirmed(row: AnyRow, job: Job, columns: Columns | None) -> Update:
    values: dict[str, object] = {
        "state": UploadState.PENDING.value,
        "draft": None,
        "job_id": job.id,
        "lane": job.submission.lane.value,
        "accepted_at": job.now,
    }
    if columns is not None:
        values["columns"] = dump_columns(columns)
    return update(UploadRow).where(UploadRow.id == row.id).values(**values)


_INSERT = insert(UploadRow)
_DRAFTED = (
    select(UploadRow.__table__)
    .where(
        text("uploads.draft IS NOT NULL"),  # as its index says
        UploadRow.draft == bindparam("draft"),
        UploadRow.state == UploadState.DRAFT.value,
    )
    .order_by(UploadRow.ordinal)
)
_OF_JOB = (
    select(UploadRow.__table__)
    .where(UploadRow.job_id == bindparam("job"))
    .order_by(UploadRow.ordinal)
)
_ORIGINAL = (
    select(
        RevisionRow.kind,
        OriginRow.file_kind,
        UploadRow.name,
        UploadRow.bytes_key,
        UploadRow.sha256,
        UploadRow.size,
        UploadRow.has_bytes,
    )
    .select_from(DocumentRow)
    .join(RevisionRow, RevisionRow.document_id == DocumentRow.id)
    .outerjoin(OriginRow, is_of(RevisionRow))
    .outerjoin(UploadRow, UploadRow.id == OriginRow.upload_id)
    .where(
        DocumentRow.collection_id == bindparam("collection"),
        DocumentRow.external_id == bindparam("name"),
        *may_be_newest(RevisionRow),
    )
    .order_by(*newest_first(RevisionRow))
    .limit(1)
)
