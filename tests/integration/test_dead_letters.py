"""Dead letters handed in again: as faithfully as the queue would, and once."""

import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import cast

import pytest

from shared.collecting import create_collection
from shared.dead_letters import DeadLetterOffice, dismiss, dismiss_some, replay, replay_some
from shared.domain import (
    DeadLetterFilter,
    DeadLetterId,
    DeadLetterKind,
    Lane,
    Rejection,
    Replay,
    ReplayOutcome,
    State,
    Submission,
)
from shared.errors import DeadLetterNotFound, DocumentNotFound, KeyReused, OutOfSpace
from shared.ingest import deletion
from shared.messages import MessageLimits, parse
from shared.ports import DeadLetters
from shared.upkeep.room import Room
from tests.fakes.encoder import FakeEncoders
from tests.golden import golden
from tests.golden.malformed import envelope
from tests.letters import failed, refused
from tests.worlds import LIMITS, Cramped, World

MESSAGES = MessageLimits(documents=LIMITS, message_bytes=10**6, rejected_bytes=100_000)
EVERYTHING = DeadLetterFilter()
SOURCE = "queue:lamina.submit"


@dataclass
class Desk:
    """A world, and who hands its dead letters in again."""

    world: World
    limits: MessageLimits = MESSAGES

    @property
    def office(self) -> DeadLetterOffice:
        return DeadLetterOffice(
            dead_letters=self.world.dead_letters,
            bell=self.world.bell,
            room=self.world.bench.room,
            backlog=self.world.backlog,
            limits=self.limits,
        )

    def take(self, *raws: bytes, limits: MessageLimits = MESSAGES) -> None:
        """Take messages as the intake does."""
        letters = [
            parse(raw, limits, source=SOURCE, receipt=f"push:{number}")
            for number, raw in enumerate(raws)
        ]
        self.world.inbox.take(letters)

    def make(self, name: str) -> None:
        """Make another collection with the world's encoder."""
        encoders = FakeEncoders(self.world.encoder)
        create_collection(
            self.world.collections, encoders, name, encoder=self.world.encoder.card.name
        )

    def replay_newest(self) -> Replay:
        (newest, *_) = refused(self.world.dead_letters)
        return replay(self.office, newest.letter.id)


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    with World.open(tmp_path) as world:
        yield Desk(world)


def push(**changes: object) -> bytes:
    message = {"collection": "later", "documents": [{"id": "a", "text": "a text"}]}
    return json.dumps(message | changes).encode()


def test_a_message_for_a_collection_that_came_later_is_taken_as_it_was(desk: Desk) -> None:
    documents = [{"id": "a", "text": "a text", "metadata": {"n": [1.5]}, "external_version": 7}]
    raw = push(
        documents=documents, key="mine", lane="interactive", producer="orders", tenant={"id": 1}
    )
    desk.take(raw)
    assert [one.raw for one in refused(desk.world.dead_letters)] == [raw]
    desk.make("later")

    result = desk.replay_newest()

    assert result.outcome is ReplayOutcome.REPLAYED
    assert desk.world.bell.rung == 1
    job = desk.world.records.job(result.job_id or "")
    assert (job.key, job.producer, job.source, job.extra) == (
        "mine",
        "orders",
        SOURCE,
        {"tenant": {"id": 1}},
    )
    assert desk.world.claim().revisions[0].lane is Lane.INTERACTIVE
    # The producer sends it again, since nobody told it: it is the same one.
    desk.take(raw)
    assert len(desk.world.records.jobs(limit=9)) == 1, "[once]"


@pytest.mark.parametrize(
    ("name", "key"),
    [
        ("python-celery-5.7-delete", None),
        ("python-celery-kwargs", None),
        ("node-celery-ts-args", None),
        ("plain-push-no-key", "push:0"),
    ],
)
def test_a_foreign_message_is_replayed_under_the_key_it_had(
    desk: Desk, name: str, key: str | None
) -> None:
    desk.take(golden(name))  # for the collection `default`
    (kept,) = refused(desk.world.dead_letters)
    assert key in (None, kept.letter.key)
    desk.make("default")

    result = desk.replay_newest()

    assert result.outcome is ReplayOutcome.REPLAYED
    assert desk.world.records.job(result.job_id or "").key == kept.letter.key
    desk.take(golden(name))
    assert len(desk.world.records.jobs(limit=9)) == 1, "[once]"


def test_a_delete_of_what_is_not_there_is_replayed_without_a_fault(desk: Desk) -> None:
    kwargs = {"collection": "later", "documents": [{"id": "ghost", "external_version": 5}]}
    desk.take(json.dumps({"task": "lamina.delete.v1", "kwargs": kwargs}).encode())
    desk.make("later")
    assert desk.replay_newest().outcome is ReplayOutcome.REPLAYED
    late = push(documents=[{"id": "ghost", "text": "late", "external_version": 4}])
    desk.take(late)
    with pytest.raises(DocumentNotFound):
        desk.world.records.document("later", "ghost")


def test_what_was_too_much_once_is_taken_when_the_limits_are_raised(desk: Desk) -> None:
    few = replace(MESSAGES, documents=replace(LIMITS, documents=1))
    raw = push(collection="c", documents=[{"id": "a", "text": "x"}, {"id": "b", "text": "y"}])
    desk.take(raw, limits=few)
    (kept,) = refused(desk.world.dead_letters)
    assert kept.reason == "too-large"
    desk.limits = few
    assert desk.replay_newest().outcome is ReplayOutcome.REFUSED
    desk.limits = MESSAGES
    assert desk.replay_newest().outcome is ReplayOutcome.REPLAYED


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (b"nonsense", "not-json"),
        (b"[1, 2]", "bad-envelope"),
        (b'[{"id": 1}]', "bad-envelope"),
        (envelope(body="%"), "bad-envelope"),
        (envelope(headers={"task": "other"}), "unknown-task"),
        (push(collection="c", documents=[]), "bad-payload"),
        (push(collection="nowhere"), "no-such-collection"),
        (push(collection="c", key="taken"), "key-reused"),
    ],
)
def test_what_is_still_wrong_is_refused_again_for_each_reason(
    desk: Desk, raw: bytes, reason: str
) -> None:
    desk.take(push(collection="c", key="taken", documents=[{"id": "z", "text": "first"}]))
    desk.take(raw)

    result = desk.replay_newest()

    assert (result.outcome, result.detail.partition(":")[0]) == (ReplayOutcome.REFUSED, reason)
    assert [one.reason for one in refused(desk.world.dead_letters)] == [reason]
    assert desk.world.bell.rung == 0
    assert len(desk.world.records.jobs(limit=9)) == 1


def test_a_message_of_which_only_the_beginning_is_kept_says_so(desk: Desk) -> None:
    desk.take(b"x" * 200_000)
    result = desk.replay_newest()
    assert result.outcome is ReplayOutcome.IMPOSSIBLE
    assert "first 100000 of its 200000 bytes" in result.detail
    assert len(refused(desk.world.dead_letters)) == 1


def test_a_request_whose_key_was_used_before_stays_refused(desk: Desk) -> None:
    desk.world.add({"id": "a", "text": "x"}, key="k")
    desk.world.index_all()
    with pytest.raises(KeyReused):
        desk.world.inbox.accept(deletion("a", collection="c", source="api", key="k"))

    assert desk.replay_newest().outcome is ReplayOutcome.REFUSED

    assert desk.world.records.document("c", "a").state is State.INDEXED


def test_documents_that_failed_are_indexed_when_they_are_replayed(desk: Desk) -> None:
    world = desk.world
    world.encoder.refuse("odd")
    world.add(*({"id": f"d{n}", "text": f"odd {n}" if n < 3 else f"text {n}"} for n in range(6)))
    world.index_all()
    assert {one.document for one in failed(world.dead_letters)} == {"d0", "d1", "d2"}
    world.encoder.forgive()

    done = replay_some(desk.office, EVERYTHING, limit=10)

    assert [one.outcome for one in done.results] == [ReplayOutcome.REPLAYED] * 3
    assert world.bell.rung >= 1
    world.index_all()
    assert set(world.live_documents().values()) == {1}, "[once]"
    assert len(world.live_documents()) == 6
    assert failed(world.dead_letters) == []


def test_a_filter_is_replayed_in_steps_that_end(desk: Desk) -> None:
    for number in range(7):
        name = "later" if number % 2 else "never"
        desk.take(push(collection=name, key=f"k{number}"))
    desk.make("later")
    outcomes: list[ReplayOutcome] = []
    cursor: str | None = None
    for _ in range(4):
        some = replay_some(desk.office, EVERYTHING, limit=2, cursor=cursor)
        outcomes += [one.outcome for one in some.results]
        cursor = some.next_cursor
    assert cursor is None
    assert outcomes == [
        ReplayOutcome.REFUSED if number % 2 == 0 else ReplayOutcome.REPLAYED for number in range(7)
    ]
    jobs = [job.key for job in desk.world.records.jobs(limit=9)]
    assert jobs == ["k5", "k3", "k1"], "oldest first"


def test_two_who_replay_all_at_once_accept_everything_once(desk: Desk) -> None:
    for number in range(12):
        document = {"id": f"d{number}", "text": "x"}
        # Without a key of their own, so that only the mark stands between one and two.
        desk.world.inbox.take(
            [parse(push(documents=[document]), MESSAGES, source=SOURCE, receipt=f"push:{number}")]
        )
    desk.make("later")
    start = threading.Barrier(3)
    outcomes: list[ReplayOutcome] = []

    def run() -> None:
        start.wait()
        outcomes.extend(
            one.outcome for one in replay_some(desk.office, EVERYTHING, limit=99).results
        )

    threads = [threading.Thread(target=run) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert outcomes.count(ReplayOutcome.REPLAYED) == 12
    assert set(outcomes) <= {ReplayOutcome.REPLAYED, ReplayOutcome.SETTLED}
    later = desk.world.collections.get("later")
    assert desk.world.reading.waiting(later.id) == 12, "[once]"


def test_a_message_that_was_dismissed_meanwhile_is_no_fault(desk: Desk) -> None:
    desk.take(push(), push(key="k"))
    (kept, other) = refused(desk.world.dead_letters)

    class Hasty:
        """Dead letters of which one is dismissed after it was listed."""

        def __getattr__(self, name: str) -> object:
            if name == "find":
                desk.world.dead_letters.dismiss([other.letter.id])
            return getattr(desk.world.dead_letters, name)

    office = replace(desk.office, dead_letters=cast("DeadLetters", Hasty()))
    results = replay_some(office, EVERYTHING, limit=9).results
    assert [one.outcome for one in results] == [ReplayOutcome.SETTLED, ReplayOutcome.REFUSED]
    with pytest.raises(DeadLetterNotFound):
        replay(desk.office, other.letter.id)
    assert kept.id == results[1].id.number


def test_nothing_is_replayed_while_the_disk_is_nearly_full_or_too_much_waits(desk: Desk) -> None:
    desk.take(push())
    desk.make("later")
    full = Room(Cramped(desk.world.folder / "index", free=10**8), 10**9)
    with pytest.raises(OutOfSpace):
        replay_some(replace(desk.office, room=full), EVERYTHING, limit=9)
    assert len(refused(desk.world.dead_letters)) == 1
    assert desk.replay_newest().outcome is ReplayOutcome.REPLAYED


def test_dismissing_by_filter_goes_in_steps_and_spares_the_rest(desk: Desk) -> None:
    desk.take(*(push(key=f"k{number}") for number in range(5)), b"nonsense")
    which = DeadLetterFilter(reason="no-such-collection")
    steps = [dismiss_some(desk.world.dead_letters, which, limit=2) for _ in range(3)]
    assert steps == [(2, True), (2, True), (1, False)]
    (left,) = refused(desk.world.dead_letters)
    assert left.reason == "not-json"
    dismiss(desk.world.dead_letters, left.letter.id)
    with pytest.raises(DeadLetterNotFound):
        dismiss(desk.world.dead_letters, left.letter.id)
    with pytest.raises(DeadLetterNotFound):
        replay(desk.office, DeadLetterId(DeadLetterKind.DOCUMENT, 1))


def test_a_fault_of_ours_over_one_message_stops_no_other(desk: Desk) -> None:
    desk.take(push(key="bad"), push(key="good"))
    desk.make("later")

    class Choking:
        """Dead letters whose database driver chokes on one message."""

        def accept(self, rejection: int, letter: Submission | Rejection) -> Replay:
            if letter.key == "bad":
                raise ZeroDivisionError("a fault of the database driver")
            return desk.world.dead_letters.accept(rejection, letter)

        def __getattr__(self, name: str) -> object:
            return getattr(desk.world.dead_letters, name)

    office = replace(desk.office, dead_letters=cast("DeadLetters", Choking()))
    bad, good = replay_some(office, EVERYTHING, limit=9).results
    assert (bad.outcome, "ZeroDivisionError" in bad.detail) == (ReplayOutcome.REFUSED, True)
    assert good.outcome is ReplayOutcome.REPLAYED
    assert [one.letter.key for one in refused(desk.world.dead_letters)] == ["bad"]
