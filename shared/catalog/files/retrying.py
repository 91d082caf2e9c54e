"""The transaction that lets files wait again which could not be read."""

from collections.abc import Collection, Mapping, Sequence

from sqlalchemy import Connection, bindparam, select, update

from shared.catalog.engine.clock import db_now
from shared.catalog.publishing.lifetimes import pages
from shared.catalog.tables import JobRow, UploadRow
from shared.domain import FilesRetried, UploadState

# Its epoch stays: whoever held it before is fenced by the next one who takes it.
_AGAIN: Mapping[str, object] = {
    "state": UploadState.PENDING.value,
    "attempts": 0,
    "worker": None,
    "not_before": 0.0,
    "claimed_at": None,
    "ended_at": None,
    "skipped": 0,
    "fault": None,
    "error": None,
    "issues": None,
    "warnings": None,
}
"""What a file is that waits as if it had just come; the documents of it that were stored stay."""


def retry_failed(tx: Connection, job_id: str, names: Collection[str] | None) -> FilesRetried:
    """Let the failed files of a job wait again, all of them or those called so.

    They go to the end of their lane, behind what came meanwhile.
    """
    parts: Sequence[Sequence[str] | None] = [None] if names is None else list(pages(sorted(names)))
    waiting, gone = 0, list[str]()
    for part in parts:
        mine = [UploadRow.job_id == job_id, UploadRow.state == UploadState.FAILED.value]
        if part is not None:
            mine.append(UploadRow.name.in_(part))
        again = update(UploadRow).where(*mine, UploadRow.has_bytes)
        waiting += tx.execute(again.values(accepted_at=db_now(), **_AGAIN)).rowcount
        gone += tx.scalars(select(UploadRow.name).where(*mine).order_by(UploadRow.ordinal))
    if waiting:
        tx.execute(_UNFINISH, {"job": job_id})
    return FilesRetried(waiting=waiting, gone=tuple(gone))


# So that it is told again when it ends.
_UNFINISH = update(JobRow).where(JobRow.id == bindparam("job")).values(finished_at=None)
