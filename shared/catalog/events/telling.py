"""Events: written in the transaction of what they tell, so that none is lost and none is false.

Their ids come from a counter whose row stays locked until the commit. So they rise in the order
of the commits: whoever has seen one, has seen all below it. For the same reason telling comes last
in a transaction, only before the counter of heads.
"""

import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import BindParameter, Connection, bindparam, func, insert, select, update

from shared.catalog.engine.clock import db_now, read_clock
from shared.catalog.jobs.jobs import UNFINISHED
from shared.catalog.publishing.lifetimes import pages
from shared.catalog.tables import EVENT_COUNTER, CounterRow, EventRow, JobRow, RevisionRow
from shared.domain import Commit, EventKind, Head, Json, State


@dataclass(frozen=True, slots=True)
class Told:
    """Something that happened."""

    collection_id: int
    kind: EventKind
    content: Mapping[str, Json]
    job_id: str | None = None


def tell(tx: Connection, told: Sequence[Told]) -> None:
    """Write what happened."""
    if not told:
        return
    last = tx.execute(_GIVE_IDS, {"many": len(told)}).scalar_one()
    now = read_clock(tx)
    rows = [
        {
            "id": number,
            "collection_id": one.collection_id,
            "kind": one.kind.value,
            "at": now,
            "job_id": one.job_id,
            "content": json.dumps(one.content, ensure_ascii=False),
        }
        for number, one in enumerate(told, last - len(told) + 1)
    ]
    tx.execute(_INSERT, rows)


def tell_commit(tx: Connection, commit: Commit, head: Head, left_out: Sequence[Told] = ()) -> None:
    """Tell of documents that a commit gave up, of its version, and of jobs that ended with it.

    *left_out* tells of those that the end of a rebuild leaves out.
    """
    told = [
        failure(head.collection_id, one.revision.external_id, one.revision.job_id, one.error or "")
        for one in commit.outcomes
        if one.state is State.FAILED
    ]
    if commit.manifest is not None and commit.manifest.kind.has_content:
        content = {"version": head.version, "kind": commit.manifest.kind.value}
        told.append(Told(head.collection_id, EventKind.VERSION_PUBLISHED, content))
    jobs = {one.revision.job_id for one in commit.outcomes if one.state is not State.PENDING}
    if commit.completion is not None:
        jobs.add(commit.completion.rebuild_id)
    tell(tx, [*left_out, *told, *finished(tx, sorted(jobs))])


def failure(collection_id: int, document: str, job_id: str, error: str) -> Told:
    """Return that a document was given up."""
    content = {"document": document, "job": job_id, "error": error}
    return Told(collection_id, EventKind.DOCUMENT_FAILED, content, job_id)


def finished(tx: Connection, job_ids: Sequence[str]) -> list[Told]:
    """Note which of the jobs have nothing that waits any more; return that, to be told.

    One whose row somebody else has locked is found by whoever looks again, later.
    """
    rows = [row for page in pages(job_ids) for row in tx.execute(_FINISH, {"ids": page})]
    counts: defaultdict[str, dict[str, Json]] = defaultdict(dict)
    for page in pages([row.id for row in rows]):
        for row in tx.execute(_COUNTS, {"ids": page}):
            counts[row.job_id][row.state] = row.revisions
    return [
        Told(
            row.collection_id,
            EventKind.JOB_FINISHED,
            {"job": row.id, "source": row.source, "producer": row.producer}
            | {"documents": counts[row.id]},
            row.id,
        )
        for row in sorted(rows, key=lambda row: (row.accepted_at, row.id))
    ]


_many: BindParameter[int] = bindparam("many")
_GIVE_IDS = (
    update(CounterRow)
    .where(CounterRow.name == EVENT_COUNTER)
    .values(value=CounterRow.value + _many)
    .returning(CounterRow.value)
)
_INSERT = insert(EventRow)
_ids: BindParameter[str] = bindparam("ids", expanding=True)
_FINISH = (
    update(JobRow)
    .where(
        JobRow.id.in_(
            select(JobRow.id)
            .where(JobRow.id.in_(_ids), JobRow.finished_at.is_(None))
            .with_for_update(skip_locked=True, key_share=True)
        ),
        ~UNFINISHED,
    )
    .values(finished_at=db_now())
    .returning(JobRow.id, JobRow.collection_id, JobRow.source, JobRow.producer, JobRow.accepted_at)
)
_COUNTS = (
    select(RevisionRow.job_id, RevisionRow.state, func.count().label("revisions"))
    .where(RevisionRow.job_id.in_(_ids))
    .group_by(RevisionRow.job_id, RevisionRow.state)
)
