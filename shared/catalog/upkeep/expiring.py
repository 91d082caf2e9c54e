"""Let go of what nobody asks for any more: idempotency keys, refused messages, finished jobs."""

from collections.abc import Sequence

from sqlalchemy import (
    BindParameter,
    Connection,
    bindparam,
    delete,
    exists,
    literal,
    or_,
    select,
    tuple_,
    update,
)

from shared.catalog.engine.clock import db_now
from shared.catalog.engine.database import Database
from shared.catalog.engine.dialect import AnyRow, insert_new
from shared.catalog.jobs.jobs import FORGOTTEN_AT, UNFINISHED, forgotten_job
from shared.catalog.tables import (
    DeletionRow,
    JobRow,
    KeyRow,
    RejectionRow,
    RevisionRow,
    UploadRow,
)
from shared.domain import State


class SqlExpiry:
    """The port `Expiry` in SQL."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def expire_keys(self, *, older_than_seconds: float, limit: int) -> int:
        """Forget at most *limit* idempotency keys, oldest first; return how many."""
        return self._database.run(lambda tx: _expire(tx, KeyRow, older_than_seconds, limit))

    def expire_rejections(self, *, older_than_seconds: float, limit: int) -> int:
        """Forget at most *limit* refused messages, replayed ones too; return how many."""
        return self._database.run(lambda tx: _expire(tx, RejectionRow, older_than_seconds, limit))

    def expire_jobs(
        self, *, older_than_seconds: float, after: tuple[float, str], limit: int
    ) -> tuple[int, tuple[float, str] | None]:
        """Look at the *limit* oldest jobs behind *after*; forget those that nothing needs.

        What remains of their documents is then of no job: of one in each collection that has no
        time and that nobody is shown.
        """
        wanted = (
            _OLD.where(
                JobRow.accepted_at < db_now() - literal(older_than_seconds),
                tuple_(JobRow.accepted_at, JobRow.id) > after,
            )
            .order_by(JobRow.accepted_at, JobRow.id)
            .limit(limit)
        )

        def work(tx: Connection) -> tuple[int, tuple[float, str] | None]:
            rows = tx.execute(wanted).all()
            done = [row for row in rows if row.done]
            if done:
                _forget(tx, done)
            last = (rows[-1].accepted_at, rows[-1].id) if len(rows) == limit else None
            return len(done), last

        return self._database.run(work)


def _expire(
    tx: Connection, table: type[KeyRow | RejectionRow], older_than_seconds: float, limit: int
) -> int:
    """Delete the oldest rows; their ids rise with the time of receipt."""
    oldest = select(table.id).order_by(table.id).limit(limit)
    return tx.execute(
        delete(table).where(
            table.id.in_(oldest), table.received_at < db_now() - literal(older_than_seconds)
        )
    ).rowcount


def _forget(tx: Connection, jobs: Sequence[AnyRow]) -> None:
    ids = [job.id for job in jobs]
    tx.execute(_DROP_DELETIONS, {"ids": ids})
    tx.execute(_DROP_REVISIONS, {"ids": ids})
    tx.execute(_DROP_UPLOADS, {"ids": ids})
    for collection_id in sorted({job.collection_id for job in jobs}):
        nobodys = forgotten_job(collection_id)
        new = insert_new(tx.dialect.name, JobRow).values(
            id=nobodys, collection_id=collection_id, source="", accepted_at=FORGOTTEN_AT
        )
        tx.execute(new.on_conflict_do_nothing())
        own = [job.id for job in jobs if job.collection_id == collection_id]
        tx.execute(_DETACH, {"ids": own, "nobodys": nobodys})
        tx.execute(_DETACH_UPLOADS, {"ids": own, "nobodys": nobodys})
    tx.execute(_DROP_JOBS, {"ids": ids})


_ids: BindParameter[str] = bindparam("ids", expanding=True)
_has_key = exists().where(KeyRow.job_id == JobRow.id)
_failed = exists().where(
    RevisionRow.job_id == JobRow.id,
    RevisionRow.state == State.FAILED.value,
    RevisionRow.dismissed_at.is_(None),
)
_OLD = select(
    JobRow.id,
    JobRow.accepted_at,
    JobRow.collection_id,
    ~or_(_has_key, UNFINISHED, _failed).label("done"),
).where(JobRow.accepted_at > FORGOTTEN_AT)
_DROP_DELETIONS = delete(DeletionRow).where(DeletionRow.job_id.in_(_ids))
# Of what was never indexed. What was stays: a purge finds by it the vectors that files still hold.
# So does what had a number of its producer's, by which later ones are judged.
_DROP_REVISIONS = delete(RevisionRow).where(
    RevisionRow.job_id.in_(_ids),
    RevisionRow.forgotten,
    RevisionRow.external_version.is_(None),
    RevisionRow.state.in_(
        (State.SUPERSEDED.value, State.CANCELLED.value, State.UNCHANGED.value, State.FAILED.value)
    ),
)
_DETACH = (
    update(RevisionRow).where(RevisionRow.job_id.in_(_ids)).values(job_id=bindparam("nobodys"))
)
# Bytes that are still there are found by their upload; see `uploads.py`.
_DROP_UPLOADS = delete(UploadRow).where(UploadRow.job_id.in_(_ids), ~UploadRow.has_bytes)
_DETACH_UPLOADS = (
    update(UploadRow).where(UploadRow.job_id.in_(_ids)).values(job_id=bindparam("nobodys"))
)
_DROP_JOBS = delete(JobRow).where(JobRow.id.in_(_ids))
