"""Which stored bytes of files nobody needs.

A file's bytes are needed while it waits, and while the origin of a text names it: so they go with
the text that was read from them, by whatever way that goes. They stay for a time after that, so
that whoever copies what a moment's catalog names, finds it.
"""

from collections.abc import Sequence
from functools import partial

from sqlalchemy import Connection, bindparam, case, delete, exists, literal, select, text, update

from shared.catalog.engine.clock import db_now
from shared.catalog.engine.database import Database
from shared.catalog.jobs.jobs import FORGOTTEN_AT
from shared.catalog.publishing.lifetimes import pages
from shared.catalog.tables import JobRow, OriginRow, UploadRow
from shared.domain import Bytes, UploadState


class SqlLeftovers:
    """The port `Leftovers` in SQL."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def give_up_drafts(self, *, older_than_seconds: float) -> int:
        """Forget drafts that nobody confirmed; return how many."""
        overdue = (
            text("uploads.draft IS NOT NULL"),
            UploadRow.state == UploadState.DRAFT.value,
            UploadRow.accepted_at <= db_now() - literal(older_than_seconds),
        )
        with self._database.glance() as tx:
            if tx.scalar(select(UploadRow.id).where(*overdue).limit(1)) is None:
                return 0
        given_up = {"state": UploadState.CANCELLED.value, "ended_at": db_now(), "draft": None}
        end = update(UploadRow).where(*overdue).values(**given_up)
        return self._database.run(lambda tx: tx.execute(end).rowcount)

    def unneeded(
        self, *, older_than_seconds: float, failed_seconds: float, limit: int
    ) -> Sequence[tuple[str, str]]:
        """Return (upload id, key) of files that ended so long ago and that no text refers to.

        Those that could not be read, only *failed_seconds* after that.
        """
        failed = UploadRow.state == UploadState.FAILED.value
        seconds = case((failed, literal(failed_seconds)), else_=literal(older_than_seconds))
        wanted = (
            select(UploadRow.id, UploadRow.bytes_key)
            .where(
                text("uploads.has_bytes"),
                UploadRow.state.in_(_ENDED),
                UploadRow.ended_at <= db_now() - seconds,
                ~_has_text,
            )
            .limit(limit)
        )
        with self._database.read() as tx:
            return [(row.id, row.bytes_key) for row in tx.execute(wanted)]

    def removed(self, upload_ids: Sequence[str]) -> None:
        """Say that the bytes of these are gone; those of no job are forgotten."""
        for page in pages(upload_ids):
            self._database.run(partial(_gone, page))

    def known(self, keys: Sequence[str]) -> frozenset[str]:
        """Return which of these keys belong to an upload."""
        found: set[str] = set()
        with self._database.read() as tx:
            for page in pages(keys):
                wanted = select(UploadRow.bytes_key).where(UploadRow.bytes_key.in_(page))
                found.update(tx.scalars(wanted))
        return frozenset(found)

    def kept(self, collection_id: int) -> Sequence[Bytes]:
        """Return the stored bytes that files of a collection need, by their keys."""
        with self._database.read() as tx:
            return read_kept(tx, collection_id)


def read_kept(tx: Connection, collection_id: int | None = None) -> Sequence[Bytes]:
    """Return the stored bytes that files need, of one collection or of all, by their keys."""
    wanted = _KEPT
    if collection_id is not None:
        wanted = wanted.where(UploadRow.collection_id == collection_id)
    rows = tx.execute(wanted)
    return [Bytes(key=row.bytes_key, sha256=row.sha256, size=row.size) for row in rows]


def _gone(upload_ids: Sequence[str], tx: Connection) -> None:
    tx.execute(_GONE, {"ids": upload_ids})
    tx.execute(_FORGET, {"ids": upload_ids})


_has_text = exists().where(OriginRow.upload_id == UploadRow.id)
_ENDED = tuple(state.value for state in UploadState if state.finished)
_KEPT = (
    select(UploadRow.bytes_key, UploadRow.sha256, UploadRow.size)
    .where(text("uploads.has_bytes"), UploadRow.state.not_in(_ENDED) | _has_text)
    .order_by(UploadRow.bytes_key)
)
_GONE = (
    update(UploadRow)
    .where(UploadRow.id.in_(bindparam("ids", expanding=True)))
    .values(has_bytes=False)
)
_nobodys = exists().where(JobRow.id == UploadRow.job_id, JobRow.accepted_at <= FORGOTTEN_AT)
_FORGET = delete(UploadRow).where(
    UploadRow.id.in_(bindparam("ids", expanding=True)),
    UploadRow.job_id.is_(None) | _nobodys,
    ~_has_text,
)
