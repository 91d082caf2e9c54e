"""The jobs that stand for rebuilds: their documents are counted where they are."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from sqlalchemy import Connection, bindparam, select

from shared.catalog.engine.dialect import AnyRow
from shared.catalog.rebuilds.standings import read_progress
from shared.catalog.tables import RebuildRow
from shared.domain import JobReport, Progress, State

REBUILD_SOURCE = "rebuild"
"""Of the jobs that stand for rebuilds."""


@dataclass(frozen=True, slots=True)
class RebuildJob:
    """What a job that stands for a rebuild shows."""

    progress: Progress
    version: int | None
    started_at: float
    ended_at: float | None

    def of(self, job: JobReport) -> JobReport:
        """Return *job* with the documents of the rebuild."""
        counts = {
            State.INDEXED: self.progress.done,
            State.FAILED: self.progress.failed,
            State.CLAIMED: self.progress.under_way,
            (State.CANCELLED if self.ended_at else State.PENDING): self.progress.waiting,
        }
        begun = self.progress.waiting < self.progress.documents
        return replace(
            job,
            counts={state: count for state, count in counts.items() if count},
            version=self.version,
            claimed_at=self.started_at if begun else None,
            encoded_at=self.ended_at if self.version is not None else None,
            published_at=self.ended_at if self.version is not None else None,
        )


def read_rebuild_jobs(tx: Connection, job_ids: Sequence[str]) -> dict[str, RebuildJob]:
    """Return how far the rebuilds are that these jobs stand for, by job."""
    if not job_ids:
        return {}
    rows = tx.execute(_REBUILDS, {"ids": list(job_ids)}).all()
    return {
        row.id: RebuildJob(
            progress=progress_of(tx, row),
            version=row.version,
            started_at=row.started_at,
            ended_at=row.ended_at,
        )
        for row in rows
    }


def progress_of(tx: Connection, row: AnyRow) -> Progress:
    """Return how far a rebuild is, or how far it was when it ended."""
    if row.state == "running":
        return read_progress(tx, row.collection_id, row.space_id)
    done, failed = row.done or 0, row.failed or 0
    rest = (row.documents or 0) - done - failed
    return Progress(done=done, failed=failed, under_way=0, waiting=rest, characters=0)


_REBUILDS = select(RebuildRow.__table__).where(RebuildRow.id.in_(bindparam("ids", expanding=True)))
