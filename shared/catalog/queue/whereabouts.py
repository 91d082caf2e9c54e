"""Where the documents of one job are: held by whom, or how far from the front of the queue."""

from collections.abc import Sequence

from sqlalchemy import (
    ColumnElement,
    Connection,
    and_,
    bindparam,
    case,
    func,
    or_,
    select,
    tuple_,
)
from sqlalchemy.orm import aliased

from shared.catalog.collections.naming import IS_THERE
from shared.catalog.engine.clock import read_clock
from shared.catalog.engine.dialect import AnyRow
from shared.catalog.tables import (
    ACTIVE,
    CLAIMED,
    PENDING,
    AttemptRow,
    ClaimRow,
    CollectionRow,
    DocumentRow,
    JobRow,
    RebuildRow,
    RevisionRow,
    SpaceRow,
)
from shared.domain import Ahead, Holder, Lane, Load, Newer, Place, Queued, State, Whereabouts
from shared.errors import JobNotFound

COUNTED_AHEAD = 1_000
"""Documents before another one that are counted; the rest is "more than"."""
_NEWER = 3


def read_whereabouts(tx: Connection, job_id: str | None, revision_id: int | None) -> Whereabouts:
    """Return where the documents of a job are, or only the one of *revision_id*.

    A revision whose job was forgotten is found by itself.

    Raises:
        JobNotFound: there is no such job.
    """
    if job_id is None:
        job_id = tx.scalar(select(RevisionRow.job_id).where(RevisionRow.id == revision_id))
    job = tx.execute(_JOB, {"job": job_id}).one_or_none()
    if job is None:
        raise JobNotFound(f"There is no job {job_id!r}.")
    now = read_clock(tx)
    mine: tuple[ColumnElement[bool], ...] = (RevisionRow.job_id == job_id,)
    if revision_id is not None:
        mine += (RevisionRow.id == revision_id,)
    claims = select(RevisionRow.claim_id).where(
        *mine, RevisionRow.state == CLAIMED, RevisionRow.claim_id > 0
    )
    return Whereabouts(
        now=now,
        encoder=job.encoder,
        fingerprint=job.fingerprint,
        holders=tuple(read_holders(tx, ClaimRow.id.in_(claims))),
        queued=_queued(tx, job, mine, now),
        newer=_newer(tx, mine),
        held_until=job.held_until if (job.held_until or 0.0) > now else None,
    )


def read_holders(tx: Connection, *which: ColumnElement[bool]) -> Sequence[Holder]:
    """Return the claims that are under way, oldest first; of them those for which *which* holds."""
    return [
        Holder(
            id=row.id,
            worker=row.worker,
            load=Load(documents=row.documents, characters=row.characters or 0),
            claimed_at=row.claimed_at,
            lease_until=row.lease_until,
            publishing=bool(row.publishing),
        )
        for row in tx.execute(_HOLDERS.where(*which))
    ]


def _queued(
    tx: Connection, job: AnyRow, mine: tuple[ColumnElement[bool], ...], now: float
) -> Queued | None:
    pending = (*mine, RevisionRow.state == PENDING)
    summary = tx.execute(_SUMMARY.where(*pending), {"now": now}).one()
    if not summary.documents:
        return None
    first = tx.execute(_ROW, {"id": summary.first}).one()
    place = Place(first.lane, first.turn, first.id)
    ahead = _ahead(tx, place)
    return Queued(
        first=place,
        characters=first.characters,
        documents=summary.documents,
        collection=job.collection,
        source=job.source,
        producer=job.producer,
        ahead=ahead,
        more_ahead=sum(one.load.documents for one in ahead) > COUNTED_AHEAD,
        held=summary.held,
        held_until=summary.held_until or 0.0,
        delayed_by=_delayed_by(tx, pending, now) if summary.held else None,
        suspects=summary.suspects,
        crashes=summary.crashes,
        group=_group(tx, pending) if summary.suspects else 0,
    )


def _ahead(tx: Connection, place: Place) -> tuple[Ahead, ...]:
    wanted = place._asdict() | {"most": COUNTED_AHEAD + 1}
    return tuple(
        Ahead(
            lane=Lane(row.lane),
            collection=row.name,
            source=row.source,
            producer=row.producer,
            load=Load(documents=row.documents, characters=int(row.characters)),
        )
        for row in tx.execute(_AHEAD, wanted)
    )


def _delayed_by(tx: Connection, pending: tuple[ColumnElement[bool], ...], now: float) -> str | None:
    soonest = select(RevisionRow.delayed_by).where(*pending, RevisionRow.not_before > now)
    return tx.scalar(soonest.order_by(RevisionRow.not_before, RevisionRow.id).limit(1))


def _group(tx: Connection, pending: tuple[ColumnElement[bool], ...]) -> int:
    suspects = select(RevisionRow.suspects).where(*pending, RevisionRow.suspect_of.is_not(None))
    # Revisions of earlier code were suspected without a number: those were claimed alone.
    return tx.scalar(suspects.order_by(RevisionRow.id).limit(1)) or 1


def _newer(tx: Connection, mine: tuple[ColumnElement[bool], ...]) -> tuple[Newer, ...]:
    rows = tx.execute(
        select(DocumentRow.external_id, _newest.job_id, _newest.version)
        .select_from(RevisionRow)
        .join(DocumentRow, DocumentRow.id == RevisionRow.document_id)
        .join(_newest, _newest.id == _newest_id)
        .where(*mine, RevisionRow.state == State.SUPERSEDED.value)
        .order_by(RevisionRow.id)
        .limit(_NEWER)
    )
    return tuple(
        Newer(document=row.external_id, job=row.job_id, version=row.version) for row in rows
    )


_holding = aliased(RebuildRow, name="holding")
_JOB = (
    select(
        JobRow.source,
        JobRow.producer,
        CollectionRow.name.label("collection"),
        SpaceRow.encoder,
        SpaceRow.fingerprint,
        select(func.max(_holding.held_until))
        .where(_holding.collection_id == JobRow.collection_id, _holding.state == "running")
        .correlate(JobRow)
        .scalar_subquery()
        .label("held_until"),
    )
    .join(CollectionRow, CollectionRow.id == JobRow.collection_id)
    .outerjoin(RebuildRow, RebuildRow.id == JobRow.id)
    .join(
        SpaceRow,
        or_(
            SpaceRow.id == RebuildRow.space_id,
            and_(
                RebuildRow.id.is_(None), SpaceRow.collection_id == CollectionRow.id, SpaceRow.live
            ),
        ),
    )
    .where(JobRow.id == bindparam("job"), IS_THERE)
)
_HOLDERS = (
    select(
        ClaimRow.id,
        ClaimRow.worker,
        ClaimRow.documents,
        ClaimRow.characters,
        ClaimRow.claimed_at,
        ClaimRow.lease_until,
        select(AttemptRow.id)
        .where(AttemptRow.claim_id == ClaimRow.id, AttemptRow.state == ACTIVE)
        .exists()
        .label("publishing"),
    )
    .where(ClaimRow.state == ACTIVE)
    .order_by(ClaimRow.id)
)
_held = RevisionRow.not_before > bindparam("now")
_SUMMARY = select(
    func.count().label("documents"),
    # The first in the queue, since the turns of a job rise with its ids.
    func.min(RevisionRow.id + 0).label("first"),
    func.sum(case((_held, 1), else_=0)).label("held"),
    func.min(case((_held, RevisionRow.not_before))).label("held_until"),
    func.sum(case((RevisionRow.suspect_of.is_not(None), 1), else_=0)).label("suspects"),
    func.max(RevisionRow.crashes).label("crashes"),
)
_ROW = select(RevisionRow.lane, RevisionRow.turn, RevisionRow.id, RevisionRow.characters).where(
    RevisionRow.id == bindparam("id")
)
_before = (
    select(RevisionRow.id, RevisionRow.lane, RevisionRow.characters)
    .where(
        RevisionRow.state == PENDING,
        tuple_(RevisionRow.lane, RevisionRow.turn, RevisionRow.id)
        < tuple_(bindparam("lane"), bindparam("turn"), bindparam("id")),
    )
    .order_by(RevisionRow.lane, RevisionRow.turn, RevisionRow.id)
    .limit(bindparam("most"))
    .subquery("before")
)
_AHEAD = (
    select(
        _before.c.lane,
        CollectionRow.name,
        JobRow.source,
        JobRow.producer,
        func.count().label("documents"),
        func.sum(_before.c.characters).label("characters"),
    )
    .join(RevisionRow, RevisionRow.id == _before.c.id)
    .join(JobRow, JobRow.id == RevisionRow.job_id)
    .join(CollectionRow, (CollectionRow.id == JobRow.collection_id) & IS_THERE)
    .group_by(_before.c.lane, CollectionRow.name, JobRow.source, JobRow.producer)
    .order_by(_before.c.lane, func.count().desc(), CollectionRow.name, JobRow.source)
)
_newest = aliased(RevisionRow)
_other = aliased(RevisionRow)
_newest_id = (
    select(func.min(_other.id))
    .where(
        _other.document_id == RevisionRow.document_id,
        _other.id > RevisionRow.id,
        _other.version.is_not(None),
    )
    .correlate(RevisionRow)
    .scalar_subquery()
)
