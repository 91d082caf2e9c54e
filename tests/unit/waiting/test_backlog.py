"""How much may wait, and what those are told who come when it does."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import cast

import pytest

from shared.domain import (
    Amendment,
    Lane,
    NewDocument,
    Receipt,
    ReceiptEntry,
    Rejection,
    RevisionKind,
    State,
    Submission,
)
from shared.errors import OutOfSpace, Overloaded
from shared.ports import IndexFiles, Waiting
from shared.upkeep.room import Room
from shared.waiting.admission import GuardedInbox
from shared.waiting.backlog import Backlog
from tests.unit.waiting.simulation import Simulation, forecast


@dataclass
class Desk:
    """An inbox that accepts everything, and remembers it."""

    accepted: list[Submission] = field(default_factory=list)

    def accept(self, submission: Submission, *, hold_seconds: float = 0.0) -> Receipt:
        self.accepted.append(submission)
        documents = tuple((one.id, State.PENDING) for one in submission.documents)
        return Receipt(job_id=str(len(self.accepted)), documents=documents)

    def amend(self, amendment: Amendment) -> Receipt:
        return self.accept(amendment.submission)

    def take(self, letters: Sequence[Submission | Rejection]) -> Sequence[Receipt | Rejection]:
        return [self.accept(one) if isinstance(one, Submission) else one for one in letters]

    def receipts(self, key: str) -> Sequence[ReceiptEntry]:
        return [
            ReceiptEntry(
                key=key,
                collection=one.collection,
                source=one.source,
                status="accepted",
                job_id="1",
                reason=None,
                detail=None,
                received_at=0.0,
            )
            for one in self.accepted
            if one.key == key
        ]


class Disk:
    """Free space."""

    def __init__(self, free: int | None) -> None:
        self.free = free

    def free_bytes(self) -> int | None:
        return self.free


def waiting(documents: int) -> Simulation:
    """Return a queue that nobody works at, with so many documents."""
    simulation = Simulation(0)
    simulation.add("job", 1, [100] * documents)
    return simulation


def backlog(simulation: Simulation, limit: int) -> Backlog:
    return Backlog(cast("Waiting", simulation), forecast(simulation), limit)


def sending(
    *names: str, lane: Lane = Lane.INTERACTIVE, kind: RevisionKind = RevisionKind.PUT
) -> Submission:
    documents = tuple(NewDocument(id=name, text="x", kind=kind) for name in names)
    return Submission(collection="c", source="api", documents=documents, lane=lane)


def guarded(simulation: Simulation, limit: int, *, free: int | None = None) -> GuardedInbox:
    room = Room(cast("IndexFiles", Disk(free)), 1000)
    return GuardedInbox(Desk(), room, backlog(simulation, limit))


@pytest.mark.parametrize(
    ("documents", "lane", "let_in"),
    [
        (89, Lane.BULK, True),
        (90, Lane.BULK, False),
        (90, Lane.REBUILD, False),
        (90, Lane.INTERACTIVE, True),
        (99, Lane.INTERACTIVE, True),
        (100, Lane.INTERACTIVE, False),
        (5000, Lane.INTERACTIVE, False),
    ],
)
def test_the_last_tenth_is_kept_for_the_interactive_lane(
    documents: int,
    lane: Lane,
    let_in: bool,  # noqa: FBT001 - a row of a table
) -> None:
    door = backlog(waiting(documents), 100)

    if let_in:
        door.check(lane)
    else:
        with pytest.raises(Overloaded, match="LAMINA_LIMITS_BACKLOG"):
            door.check(lane)


def test_a_limit_of_one_lets_one_in_on_any_lane() -> None:
    for lane in Lane:
        backlog(waiting(0), 1).check(lane)
        with pytest.raises(Overloaded):
            backlog(waiting(1), 1).check(lane)


def test_what_this_process_accepts_counts_at_once() -> None:
    inbox = guarded(waiting(0), 3)

    inbox.accept(sending("a", "b"))
    inbox.accept(sending("c", "d"))

    with pytest.raises(Overloaded, match="4 documents wait and 3 may"):
        inbox.accept(sending("e"))


def test_letters_that_were_taken_count_too() -> None:
    inbox = guarded(waiting(0), 3)
    inbox.accept(sending("first"))
    rejection = Rejection(source="q", raw=b"", reason="not-json", detail="")

    inbox.take([sending("a"), rejection, sending("b")])

    with pytest.raises(Overloaded):
        inbox.accept(sending("c"))


def test_who_is_refused_is_told_when_the_measured_speed_will_have_made_room() -> None:
    simulation = Simulation(2)
    simulation.add("job", 1, [900] * 3000)
    simulation.run(30)
    speed = forecast(simulation).documents_per_second()
    left = simulation.count(10_000)
    assert speed is not None

    with pytest.raises(Overloaded) as refused:
        backlog(simulation, left - 50).check(Lane.INTERACTIVE)

    assert refused.value.retry_after_seconds == pytest.approx(51 / speed, abs=1)
    with pytest.raises(Overloaded) as bulk:
        backlog(simulation, left).check(Lane.BULK)
    seconds = (left // 10 + 1) / speed
    assert bulk.value.retry_after_seconds == pytest.approx(seconds, abs=1)
    assert f"try again in {bulk.value.retry_after_seconds} s" in str(bulk.value)


def test_where_nobody_works_one_comes_back_in_half_a_minute_and_never_after_more_than_five() -> (
    None
):
    with pytest.raises(Overloaded) as refused:
        backlog(waiting(10), 10).check(Lane.BULK)
    assert refused.value.retry_after_seconds == 30

    slow = Simulation(1)
    slow.add("job", 1, [100_000] * 1000)
    slow.run(60)
    with pytest.raises(Overloaded) as later:
        backlog(slow, slow.count(2000)).check(Lane.BULK)
    assert later.value.retry_after_seconds == 300


def test_a_request_whose_answer_was_lost_gets_it_even_when_too_much_waits() -> None:
    inbox = guarded(waiting(0), 1)
    first = replace(sending("a"), key="k")
    inbox.accept(first)

    inbox.accept(first)

    with pytest.raises(Overloaded):
        inbox.accept(replace(first, key="other"))
    with pytest.raises(Overloaded):
        inbox.accept(replace(first, collection="d"))


def test_deletes_are_refused_only_when_the_interactive_part_is_full_too() -> None:
    delete = sending("a", kind=RevisionKind.DELETE)

    guarded(waiting(95), 100).accept(delete)
    with pytest.raises(Overloaded):
        guarded(waiting(100), 100).accept(delete)


def test_what_is_held_for_an_import_waits_for_no_worker_and_is_let_in() -> None:
    guarded(waiting(100), 100).accept(sending("a", lane=Lane.REBUILD), hold_seconds=60)


def test_a_full_disk_is_told_before_a_full_queue_and_lets_deletes_pass() -> None:
    with pytest.raises(OutOfSpace):
        guarded(waiting(100), 100, free=10).accept(sending("a"))

    guarded(waiting(0), 100, free=10).accept(sending("a", kind=RevisionKind.DELETE))
