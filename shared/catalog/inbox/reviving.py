"""The transaction that puts failed revisions back into the queue."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import astuple

from sqlalchemy import Connection, bindparam, collate, or_, select, update

from shared.catalog.dead_letters.lists import IS_FAILED, OVERTAKEN
from shared.catalog.engine.dialect import AnyRow
from shared.catalog.publishing.lifetimes import pages
from shared.catalog.queue.flows import Flow, charge, cost_of
from shared.catalog.tables import (
    CollectionRow,
    DocumentRow,
    JobRow,
    LivenessRow,
    RevisionRow,
)
from shared.domain import DeadLetterId, DeadLetterKind, Replay, ReplayOutcome, State

CLEAN_SLATE: Mapping[str, object] = {
    "state": State.PENDING.value,
    "crashes": 0,
    "solo_crashes": 0,
    "suspect_of": None,
    "suspects": None,
    "not_before": 0.0,
    "delayed_by": None,
    "claim_id": None,
    "claimed_at": None,
    "encoded_at": None,
    "error": None,
    "warnings": None,
}
"""What a revision is as if it had just been accepted."""


def revive(tx: Connection, revisions: Sequence[int]) -> list[Replay]:
    """Put failed *revisions* back at the end of their flows; say of each what became of it."""
    _lock(tx, revisions)
    found = {row.id: row for page in pages(revisions) for row in tx.execute(_FOUND, {"ids": page})}
    results = {number: _judge(number, found.get(number)) for number in revisions}
    for number, one in results.items():
        if one.outcome is ReplayOutcome.SUPERSEDED:
            tx.execute(_SUPERSEDE, {"one": number})
    replayed = (one.id.number for one in results.values() if one.outcome is ReplayOutcome.REPLAYED)
    _queue_up(tx, [found[number] for number in replayed])
    for page in pages(sorted({one.job_id for one in results.values() if one.job_id})):
        tx.execute(_UNFINISH, {"jobs": page})
    return list(results.values())


def _lock(tx: Connection, revisions: Sequence[int]) -> None:
    """Keep new revisions of the documents waiting; in the order in which `store` locks them."""
    if tx.dialect.name != "sqlite":
        for page in pages(revisions):
            tx.execute(_LOCK, {"ids": page})


def _judge(number: int, row: AnyRow | None) -> Replay:
    """Say what shall become of a revision whose document is locked."""
    name = DeadLetterId(DeadLetterKind.DOCUMENT, number)
    if row is None or row.state != State.FAILED.value or row.dismissed_at is not None:
        return Replay(id=name, outcome=ReplayOutcome.SETTLED, detail=_standing(row))
    if row.purged_at is not None:
        detail = "The document was purged."
        return Replay(id=name, outcome=ReplayOutcome.IMPOSSIBLE, detail=detail)
    if row.overtaken:
        detail = "A newer revision of the document came after it."
        return Replay(id=name, outcome=ReplayOutcome.SUPERSEDED, detail=detail, job_id=row.job_id)
    if row.forgotten:
        detail = "Its text was let go; send the document again."
        return Replay(id=name, outcome=ReplayOutcome.IMPOSSIBLE, detail=detail)
    return Replay(id=name, outcome=ReplayOutcome.REPLAYED, job_id=row.job_id)


def _queue_up(tx: Connection, rows: Iterable[AnyRow]) -> None:
    """Let revisions wait, each at the end of its flow, in the order given."""
    flows: defaultdict[Flow, list[AnyRow]] = defaultdict(list)
    for row in rows:
        flows[_flow(row)].append(row)
    # In one order for everybody, since a flow that was charged is locked.
    for flow in sorted(flows, key=astuple):
        mine = flows[flow]
        turn = charge(tx, flow, sum(cost_of(row.characters) for row in mine))
        for row in mine:
            tx.execute(_REVIVE, {"one": row.id, "its_turn": turn})
            turn += cost_of(row.characters)


def _flow(row: AnyRow) -> Flow:
    return Flow(
        lane=row.lane, collection_id=row.collection_id, source=row.source, producer=row.producer
    )


def _standing(row: AnyRow | None) -> str:
    if row is None:
        return "There is no such revision."
    if row.dismissed_at is not None:
        return "It was dismissed."
    return f"It is {row.state}."


_overtaken = or_(
    OVERTAKEN,
    # What is live may answer for a newer revision that is not there any more.
    select(LivenessRow.document_id)
    .where(
        LivenessRow.document_id == RevisionRow.document_id,
        LivenessRow.to_version.is_(None),
        LivenessRow.settled_id > RevisionRow.id,
    )
    .exists(),
)
_FOUND = (
    select(
        RevisionRow.id,
        RevisionRow.collection_id,
        RevisionRow.job_id,
        RevisionRow.lane,
        RevisionRow.state,
        RevisionRow.characters,
        RevisionRow.dismissed_at,
        RevisionRow.forgotten,
        DocumentRow.purged_at,
        JobRow.source,
        JobRow.producer,
        _overtaken.label("overtaken"),
    )
    .join(DocumentRow, DocumentRow.id == RevisionRow.document_id)
    .join(JobRow, JobRow.id == RevisionRow.job_id)
    .where(RevisionRow.id.in_(bindparam("ids", expanding=True)))
)
_LOCK = (
    select(DocumentRow.id)
    .join(RevisionRow, RevisionRow.document_id == DocumentRow.id)
    .join(CollectionRow, CollectionRow.id == DocumentRow.collection_id)
    .where(RevisionRow.id.in_(bindparam("ids", expanding=True)))
    .order_by(collate(CollectionRow.name, "C"), collate(DocumentRow.external_id, "C"))
    .with_for_update(key_share=True, of=DocumentRow)
)
_OF_ONE = update(RevisionRow).where(RevisionRow.id == bindparam("one"), IS_FAILED)
_REVIVE = _OF_ONE.values(turn=bindparam("its_turn"), **CLEAN_SLATE)
# So that it is told again when they end.
_UNFINISH = (
    update(JobRow)
    .where(
        JobRow.id.in_(bindparam("jobs", expanding=True)),
        select(RevisionRow.id)
        .where(RevisionRow.job_id == JobRow.id, RevisionRow.state == State.PENDING.value)
        .exists(),
    )
    .values(finished_at=None)
)
_SUPERSEDE = _OF_ONE.values(state=State.SUPERSEDED.value)
