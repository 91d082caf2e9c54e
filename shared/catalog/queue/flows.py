"""Turns: in which order the documents of many producers are served within a lane.

Start-time fair queueing (Goyal, Vin and Cheng, "Start-time Fair Queuing: A Scheduling Algorithm
for Integrated Services Packet Switching Networks", SIGCOMM 1996). A flow is what one producer
sends to one collection in one lane. A document's turn is where its flow had got to, or the
virtual time of its lane if that is further; the flow has then got further by the cost of the
document. Documents are claimed in the order of their turns, so flows that wait at the same time
are served the same number of characters, and what a new one sends is next.

The virtual time of a lane is the highest turn that was claimed in it. Not the least that waits:
documents that nobody can claim yet, because they are held or no worker has their encoder, would
keep it back, and every new flow with it, ahead of all others. A claim that leaves nothing behind
moves it on to where the flow that went furthest has got to, so nobody is punished for having used
an idle system; and it never goes back, so nobody saves up turns by being idle.

Turns decide the order of work alone. Whatever becomes of this table, no document is lost.
"""

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from functools import cache

from sqlalchemy import (
    BigInteger,
    BindParameter,
    Connection,
    Text,
    bindparam,
    case,
    delete,
    false,
    func,
    literal,
    select,
    update,
)
from sqlalchemy.sql.dml import ReturningInsert

from shared.catalog.collections.naming import named
from shared.catalog.engine.dialect import insert_new
from shared.catalog.tables import PENDING, ClaimRow, CollectionRow, FlowRow, JobRow, RevisionRow
from shared.domain import DOCUMENT_COST, Submission


@dataclass(frozen=True, slots=True, kw_only=True)
class Flow:
    """What shares are fair between."""

    lane: int
    collection_id: int
    source: str
    producer: str


def cost_of(characters: int) -> int:
    """Return by how much a document of so many characters moves its flow on.

    Not by its characters alone: a producer of very many tiny documents, or of deletes, would take
    more than its share.
    """
    return characters + DOCUMENT_COST


def charge(tx: Connection, flow: Flow, cost: int) -> int:
    """Move *flow* on by *cost*; return its turn before.

    Other transactions that charge the same flow wait from here to the commit, so this comes as
    late as possible, after the locks of documents.
    """
    asked = asdict(flow) | {"its_lane": flow.lane, "cost": cost}
    finish: int = tx.execute(_charge(tx.dialect.name), asked).scalar_one()
    return finish - cost


def virtual_time(tx: Connection, lane: int) -> int:
    """Return the turn that the next document of a new flow would get."""
    turn: int = tx.execute(select(_VIRTUAL), {"its_lane": lane}).scalar_one()
    return turn


def hold(tx: Connection, submissions: Iterable[Submission]) -> None:
    """Lock the flows of several submissions until the commit, in one order for everybody.

    Else two batches that charge the same flows in another order would deadlock.
    """
    if tx.dialect.name == "sqlite":
        return
    keys = {(one.lane.value, one.collection, one.source, one.producer) for one in submissions}
    names = ("its_lane", "its_collection", "its_source", "its_producer")
    if keys:
        tx.execute(_HOLD, [dict(zip(names, key, strict=True)) for key in sorted(keys)])


def refund(tx: Connection, flow: Flow) -> None:
    """Put *flow* back to behind what waits of it, after some of that was cancelled."""
    key = asdict(flow)
    mine = tuple(getattr(FlowRow, name) == value for name, value in key.items())
    # Two statements: what others have accepted in the meantime is seen only once it is locked.
    tx.execute(select(FlowRow.finish).where(*mine).with_for_update())
    waiting = (
        select(func.max(RevisionRow.turn + RevisionRow.characters + DOCUMENT_COST))
        .join(JobRow, JobRow.id == RevisionRow.job_id)
        .where(
            RevisionRow.state == PENDING,
            RevisionRow.lane == flow.lane,
            JobRow.collection_id == flow.collection_id,
            JobRow.source == flow.source,
            JobRow.producer == flow.producer,
        )
    )
    tx.execute(
        update(FlowRow).where(*mine).values(finish=func.coalesce(waiting.scalar_subquery(), 0))
    )


def forget_idle(tx: Connection, collection_id: int) -> None:
    """Drop the flows of a collection that a new one would overtake anyway.

    The highest turn that was claimed only grows, so they will never matter again.
    """
    tx.execute(
        delete(FlowRow).where(
            FlowRow.collection_id == collection_id,
            FlowRow.finish
            < select(func.max(ClaimRow.turn))
            .where(ClaimRow.lane == FlowRow.lane)
            .scalar_subquery(),
        )
    )


def finish_busy_period(tx: Connection, claim_id: int, lane: int) -> None:
    """Move the virtual time to the furthest flow's, if the claim has left nothing in the lane."""
    tx.execute(_FINISH, {"claim": claim_id, "its_lane": lane})


_KEY = ["lane", "collection_id", "source", "producer"]
_its_lane: BindParameter[int] = bindparam("its_lane", type_=BigInteger())
_cost: BindParameter[int] = bindparam("cost", type_=BigInteger())
_VIRTUAL = (
    select(func.coalesce(func.max(ClaimRow.turn), 0))
    .where(ClaimRow.lane == _its_lane)
    .scalar_subquery()
)
_waits = select(RevisionRow.id).where(RevisionRow.state == PENDING, RevisionRow.lane == _its_lane)
_furthest = select(func.max(FlowRow.finish)).where(FlowRow.lane == _its_lane).scalar_subquery()
_FINISH = (
    update(ClaimRow)
    .where(ClaimRow.id == bindparam("claim"), ~_waits.exists())
    .values(turn=case((_furthest > ClaimRow.turn, _furthest), else_=ClaimRow.turn))
)


@cache
def _charge(dialect: str) -> ReturningInsert[int]:
    new = insert_new(dialect, FlowRow).values(finish=_VIRTUAL + _cost)
    behind = FlowRow.finish > new.excluded.finish - _cost
    return new.on_conflict_do_update(
        index_elements=_KEY,
        set_={"finish": case((behind, FlowRow.finish + _cost), else_=new.excluded.finish)},
    ).returning(FlowRow.finish)


_HOLD = (
    insert_new("postgresql", FlowRow)
    .from_select(
        [*_KEY, "finish"],
        select(
            _its_lane,
            CollectionRow.id,
            bindparam("its_source", type_=Text()),
            bindparam("its_producer", type_=Text()),
            literal(0),
        ).where(named(bindparam("its_collection"))),
    )
    # The condition keeps it from writing, not from locking.
    .on_conflict_do_update(index_elements=_KEY, set_={"finish": FlowRow.finish}, where=false())
)
