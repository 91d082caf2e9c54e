"""Files as parsers take them: one at a time, under a lease, every write fenced by its epoch."""

import json
from collections.abc import Sequence

from sqlalchemy import Connection, Update, bindparam, func, or_, select, text, update

from shared.catalog.collections.naming import DELETED
from shared.catalog.engine.clock import db_now, read_clock
from shared.catalog.engine.database import Database
from shared.catalog.engine.dialect import AnyRow
from shared.catalog.events.telling import failure, tell
from shared.catalog.files.origins import store_origins
from shared.catalog.files.uploads import add_uploads, columns_of, upload_rows
from shared.catalog.inbox.accepting import Job, fill
from shared.catalog.inbox.drafts import draft
from shared.catalog.tables import CollectionRow, JobRow, UploadRow
from shared.domain import (
    Bytes,
    FileFault,
    FileReading,
    Lane,
    NewUpload,
    Parsed,
    Receipt,
    Submission,
    Upload,
    UploadState,
)
from shared.errors import Fenced
from shared.tracing import TRACEPARENT, is_traceparent

_DIED = "{} processes that read it died. It may be what ended them, so it is not read again."


class SqlParsing:
    """The port `Parsing` in SQL."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def claim(self, worker: str, *, lease_seconds: float, max_attempts: int) -> Upload | None:
        """Take the file that is next, or whose parser's lease ran out; None if there is none."""
        with self._database.glance() as tx:
            if tx.execute(_NEXT).first() is None:
                return None

        def work(tx: Connection) -> Upload | None:
            while (row := tx.execute(_NEXT.with_for_update(skip_locked=True)).first()) is not None:
                if row.attempts < max_attempts:
                    return _take(tx, row.id, worker, lease_seconds)
                _give_up(tx, row)
            return None

        return self._database.run(work)

    def renew(self, upload: Upload, *, lease_seconds: float) -> None:
        """Extend the lease.

        Raises:
            Fenced: it was taken away, or cancelled.
        """
        later = {"lease_until": db_now() + lease_seconds}
        self._database.run(lambda tx: _write(tx, upload, **later))

    def store(
        self, upload: Upload, parsed: Sequence[Parsed], *, done: FileReading | None
    ) -> Receipt:
        """Accept documents of the file; with *done* it ends. All in one transaction.

        Raises:
            Fenced: as for `renew`; nothing was written.
            InvalidDocument: a document holds what no database can; nothing was written.
        """
        drafts = [draft(one.document) for one in parsed]

        def work(tx: Connection) -> Receipt:
            end = {} if done is None else _said(done) | _end(UploadState.DONE)
            _write(tx, upload, documents=UploadRow.documents + len(drafts), **end)
            if not drafts:
                return Receipt(job_id=upload.job_id, documents=())
            receipt = fill(tx, _job(tx, upload), drafts, grows=True)
            kept = upload.id if _keeps_originals(tx, upload.collection_id) else None
            store_origins(tx, upload.collection_id, parsed, kept)
            return receipt

        return self._database.run(work)

    def expand(self, upload: Upload, files: Sequence[NewUpload], reading: FileReading) -> None:
        """End an archive: its members become files of the same job, in the same transaction.

        Raises:
            Fenced: as for `renew`; nothing was written.
        """

        def work(tx: Connection) -> None:
            _write(tx, upload, **_said(reading), **_end(UploadState.DONE))
            # The job's row is locked, so that of two archives each finds the other's members.
            tx.execute(_LOCK_JOB, {"job": upload.job_id})
            first = tx.execute(_LAST, {"job": upload.job_id}).scalar_one() + 1
            now = read_clock(tx)
            rows = upload_rows(files, upload.collection_id, upload.lane, now, first=first)
            add_uploads(tx, [row | {"job_id": upload.job_id} for row in rows])

        self._database.run(work)

    def fail(
        self, upload: Upload, fault: FileFault, words: str, reading: FileReading | None
    ) -> None:
        """End the file without what is not stored yet, and tell of it.

        Raises:
            Fenced: as for `renew`; nothing was written.
        """

        def work(tx: Connection) -> None:
            said = {} if reading is None else _said(reading)
            _write(tx, upload, **said, **_end(UploadState.FAILED), fault=fault.value, error=words)
            tell(tx, [failure(upload.collection_id, upload.name, upload.job_id, words)])

        self._database.run(work)

    def release(self, upload: Upload, *, delay_seconds: float) -> None:
        """Give the file back; nobody takes it before *delay_seconds* have passed."""
        back = {
            "state": UploadState.PENDING.value,
            "not_before": db_now() + delay_seconds,
            "attempts": UploadRow.attempts - 1,  # it was not its fault
        }
        self._database.run(lambda tx: tx.execute(_mine(upload).values(**back)))


def _take(tx: Connection, upload_id: str, worker: str, lease_seconds: float) -> Upload:
    taken = (
        update(UploadRow)
        .where(UploadRow.id == upload_id)
        .values(
            state=UploadState.CLAIMED.value,
            epoch=UploadRow.epoch + 1,
            attempts=UploadRow.attempts + 1,
            worker=worker,
            lease_until=db_now() + lease_seconds,
            claimed_at=func.coalesce(UploadRow.claimed_at, db_now()),
        )
        .returning(*UploadRow.__table__.c)
    )
    row = tx.execute(taken).one()
    return _upload(row, tx.scalar(_EXTRA, {"job": row.job_id}))


def _upload(row: AnyRow, extra: str | None) -> Upload:
    carried = json.loads(extra or "{}").get(TRACEPARENT)
    return Upload(
        id=row.id,
        epoch=row.epoch,
        collection_id=row.collection_id,
        job_id=row.job_id,
        name=row.name,
        bytes=Bytes(key=row.bytes_key, sha256=row.sha256, size=row.size),
        columns=columns_of(row),
        in_archive=row.in_archive,
        lane=Lane(row.lane),
        stored=row.documents,
        attempts=row.attempts,
        traceparent=carried if is_traceparent(carried) else None,
    )


def _give_up(tx: Connection, row: AnyRow) -> None:
    words = _DIED.format(row.attempts)
    values = _end(UploadState.FAILED) | {"fault": FileFault.CRASHED.value, "error": words}
    tx.execute(update(UploadRow).where(UploadRow.id == row.id).values(**values))
    tell(tx, [failure(row.collection_id, row.name, row.job_id, words)])


def _write(tx: Connection, upload: Upload, **values: object) -> None:
    """Change the upload's row, which stays locked until the commit.

    Raises:
        Fenced: the upload was taken away, or cancelled.
    """
    if tx.execute(_mine(upload).values(**values)).rowcount != 1:
        raise Fenced(f"The file {upload.name!r} was taken away.")


def _mine(upload: Upload) -> Update:
    return update(UploadRow).where(
        UploadRow.id == upload.id,
        UploadRow.epoch == upload.epoch,
        UploadRow.state == UploadState.CLAIMED.value,
    )


def _end(state: UploadState) -> dict[str, object]:
    return {"state": state.value, "ended_at": db_now(), "lease_until": None}


def _said(reading: FileReading) -> dict[str, object]:
    issues = [(one.where, one.detail) for one in reading.issues]
    return {
        "kind": reading.kind.value,
        "encoding": reading.encoding,
        "skipped": reading.skipped,
        "issues": json.dumps(issues, ensure_ascii=False) if issues else None,
        "warnings": json.dumps(reading.warnings, ensure_ascii=False) if reading.warnings else None,
    }


def _job(tx: Connection, upload: Upload) -> Job:
    row = tx.execute(_JOB, {"job": upload.job_id}).one()
    submission = Submission(
        collection="",  # known by its id
        source=row.source,
        producer=row.producer,
        documents=(),
        lane=upload.lane,
    )
    return Job(upload.job_id, upload.collection_id, submission, read_clock(tx), 0.0)


def _keeps_originals(tx: Connection, collection_id: int) -> bool:
    wanted = select(CollectionRow.keep_originals).where(CollectionRow.id == collection_id)
    return bool(tx.scalar(wanted))


_JOB = select(JobRow.source, JobRow.producer).where(JobRow.id == bindparam("job"))
_EXTRA = select(JobRow.extra).where(JobRow.id == bindparam("job"))
_LOCK_JOB = select(JobRow.id).where(JobRow.id == bindparam("job")).with_for_update(key_share=True)
_LAST = select(func.max(UploadRow.ordinal)).where(UploadRow.job_id == bindparam("job"))
_NEXT = (
    select(
        UploadRow.id,
        UploadRow.attempts,
        UploadRow.collection_id,
        UploadRow.name,
        UploadRow.job_id,
    )
    .where(
        text("uploads.state IN ('pending', 'claimed')"),  # as its index says
        or_(UploadRow.state == UploadState.PENDING.value, UploadRow.lease_until < db_now()),
        UploadRow.not_before <= db_now(),
        UploadRow.collection_id.not_in(DELETED),
    )
    .order_by(UploadRow.lane, UploadRow.accepted_at, UploadRow.ordinal)
    .limit(1)
)
