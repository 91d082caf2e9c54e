"""How much waits, in which order, and who works on it."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence

from sqlalchemy import Connection, bindparam, case, func, select, text

from shared.catalog.collections.naming import DELETED
from shared.catalog.engine.clock import db_now
from shared.catalog.engine.database import Database
from shared.catalog.engine.dialect import AnyRow
from shared.catalog.publishing.lifetimes import pages
from shared.catalog.queue.whereabouts import read_holders, read_whereabouts
from shared.catalog.rebuilds.jobs import RebuildJob, read_rebuild_jobs
from shared.catalog.rebuilds.standings import read_rebuild_lane
from shared.catalog.tables import (
    CLAIMED,
    PENDING,
    WAITING_STATES,
    ClaimRow,
    RevisionRow,
    UploadRow,
)
from shared.domain import (
    FileQueue,
    FinishedClaim,
    Holder,
    JobPlace,
    Lane,
    LaneLoad,
    Load,
    Outline,
    Place,
    Stretch,
    UploadState,
    Whereabouts,
)

_STRETCHES = 64
"""In each lane: a place inside one is known to a 64th of what waits there."""
_LOOKED_AT = 4
"""Claims looked at for each that is wanted; not all of them encoded something."""


class SqlWaiting:
    """The port `Waiting` in SQL. All but `whereabouts` read the queue in its indexes alone."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def count(self, most: int) -> int:
        """Return how many documents are accepted and not settled, counted up to *most*."""
        with self._database.glance() as tx:
            return tx.execute(_COUNT, {"most": most}).scalar_one()

    def lanes(self) -> Sequence[LaneLoad]:
        """Return what waits in each lane that anything waits in, rebuilds among them.

        Reads all of it, in its index; of collections that are being rebuilt, all live documents.
        """
        with self._database.read() as tx:
            rows = [*tx.execute(_LANES), *read_rebuild_lane(tx)]
        return [
            LaneLoad(
                lane=Lane(row.lane),
                load=Load(documents=row.documents, characters=int(row.characters)),
                oldest_seconds=max(0.0, row.age),
            )
            for row in rows
        ]

    def files(self) -> FileQueue:
        """Return the files that wait for a parser or are in the hands of one."""
        with self._database.glance() as tx:
            row = tx.execute(_FILES).one()
        return FileQueue(
            waiting=row.waiting,
            being_read=row.being_read,
            bytes=int(row.bytes),
            oldest_seconds=max(0.0, row.age or 0.0),
        )

    def outline(self) -> Outline:
        """Return what waits in each part of the queue. Reads all of it, in its index."""
        with self._database.read() as tx:
            return Outline(
                stretches=tuple(one for lane in Lane for one in _stretches(tx, lane.value))
            )

    def finished(self, limit: int) -> Sequence[FinishedClaim]:
        """Return the newest claims that encoded something and were closed."""
        wanted = {"most": limit, "looked_at": _LOOKED_AT * limit}
        with self._database.glance() as tx:
            rows = tx.execute(_FINISHED, wanted).all()
        return [_finished(row) for row in rows]

    def holders(self) -> Sequence[Holder]:
        """Return the claims that are under way, oldest first."""
        with self._database.glance() as tx:
            return read_holders(tx)

    def places(self, job_ids: Sequence[str]) -> Mapping[str, JobPlace]:
        """Return where the unfinished documents of these jobs are; finished jobs are missing."""
        last: dict[str, AnyRow] = {}
        claims: dict[str, set[int]] = defaultdict(set)
        with self._database.read() as tx:
            for page in pages(job_ids):
                ids = tx.scalars(_LAST_IDS, {"jobs": page}).all()
                last |= {row.job_id: row for row in tx.execute(_LAST, {"ids": ids})}
                for row in tx.execute(_CLAIMS, {"jobs": page}):
                    claims[row.job_id].add(row.claim_id)
            rebuilds = read_rebuild_jobs(tx, job_ids)
        places = {
            job_id: _place(last.get(job_id), claims.get(job_id, set()))
            for job_id in {*last, *claims}
        }
        return places | {one: _rest(job) for one, job in rebuilds.items() if job.ended_at is None}

    def whereabouts(self, job_id: str | None, *, revision_id: int | None = None) -> Whereabouts:
        """Return where the documents of a job are, or only the one of *revision_id*.

        Raises:
            JobNotFound: there is no such job.
        """
        with self._database.read() as tx:
            return read_whereabouts(tx, job_id, revision_id)


def _stretches(tx: Connection, lane: int) -> Iterator[Stretch]:
    first = tx.scalar(_FIRST_TURN, {"lane": lane})
    last = tx.scalar(_LAST_TURN, {"lane": lane})
    if first is None or last is None:
        return
    width = -(-(last - first + 1) // _STRETCHES)
    for start in range(first, last + 1, width):
        end = start + width
        row = tx.execute(_STRETCH, {"lane": lane, "first": start, "end": end}).one()
        if row.documents:
            load = Load(documents=row.documents, characters=int(row.characters))
            yield Stretch(lane=lane, first=start, end=end, load=load)


def _finished(row: AnyRow) -> FinishedClaim:
    return FinishedClaim(
        worker=row.worker,
        load=Load(documents=row.documents, characters=row.characters),
        tokens=row.tokens,
        claimed_at=row.claimed_at,
        ended_at=row.ended_at,
    )


def _rest(job: RebuildJob) -> JobPlace:
    progress = job.progress
    documents = progress.waiting + progress.under_way
    return JobPlace(rest=Load(documents=documents, characters=progress.characters))


def _place(row: AnyRow | None, claims: set[int]) -> JobPlace:
    if row is None:
        return JobPlace(claims=frozenset(claims))
    return JobPlace(
        last=Place(row.lane, row.turn, row.id),
        characters=row.characters,
        claims=frozenset(claims),
    )


_WAITING = select(RevisionRow.id).where(
    RevisionRow.state.in_(WAITING_STATES), RevisionRow.collection_id.not_in(DELETED)
)
_COUNT = select(func.count()).select_from(_WAITING.limit(bindparam("most")).subquery())
_LANES = (
    select(
        RevisionRow.lane,
        func.count().label("documents"),
        func.sum(RevisionRow.characters).label("characters"),
        (db_now() - func.min(RevisionRow.accepted_at)).label("age"),
    )
    .where(RevisionRow.state == PENDING, RevisionRow.collection_id.not_in(DELETED))
    .group_by(RevisionRow.lane)
    .order_by(RevisionRow.lane)
)
_waits = UploadRow.state == UploadState.PENDING.value
_FILES = select(
    func.coalesce(func.sum(case((_waits, 1), else_=0)), 0).label("waiting"),
    func.coalesce(func.sum(case((_waits, 0), else_=1)), 0).label("being_read"),
    func.coalesce(func.sum(case((_waits, UploadRow.size), else_=0)), 0).label("bytes"),
    (db_now() - func.min(case((_waits, UploadRow.accepted_at)))).label("age"),
).where(
    text("uploads.state IN ('pending', 'claimed')"),  # as its index says
    UploadRow.collection_id.not_in(DELETED),
)
_TURN = select(RevisionRow.turn).where(
    RevisionRow.state == PENDING, RevisionRow.lane == bindparam("lane")
)
_FIRST_TURN = _TURN.order_by(RevisionRow.turn).limit(1)
_LAST_TURN = _TURN.order_by(RevisionRow.turn.desc()).limit(1)
_STRETCH = select(
    func.count().label("documents"),
    func.coalesce(func.sum(RevisionRow.characters), 0).label("characters"),
).where(
    RevisionRow.state == PENDING,
    RevisionRow.lane == bindparam("lane"),
    RevisionRow.turn >= bindparam("first"),
    RevisionRow.turn < bindparam("end"),
)
_newest = (
    select(ClaimRow.__table__)
    .order_by(ClaimRow.id.desc())
    .limit(bindparam("looked_at"))
    .subquery("newest")
)
_FINISHED = (
    select(_newest)
    .where(_newest.c.state == "closed", _newest.c.tokens > 0, _newest.c.characters > 0)
    .order_by(_newest.c.id.desc())
    .limit(bindparam("most"))
)
# The last in the queue has the highest id, since the turns of a job rise with its ids.
_LAST_IDS = (
    select(func.max(RevisionRow.id))
    .where(RevisionRow.job_id.in_(bindparam("jobs", expanding=True)), RevisionRow.state == PENDING)
    .group_by(RevisionRow.job_id)
)
_LAST = select(
    RevisionRow.job_id,
    RevisionRow.id,
    RevisionRow.lane,
    RevisionRow.turn,
    RevisionRow.characters,
).where(RevisionRow.id.in_(bindparam("ids", expanding=True)))
_CLAIMS = (
    select(RevisionRow.job_id, RevisionRow.claim_id)
    .where(
        RevisionRow.job_id.in_(bindparam("jobs", expanding=True)),
        RevisionRow.state == CLAIMED,
        RevisionRow.claim_id > 0,
    )
    .distinct()
)
