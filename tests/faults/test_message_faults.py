"""Faults 5, 6, 9, 15 and 16: what can happen to messages on their way, on either broker."""

import json
import random
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path

import pytest
from _pytest.mark import ParameterSet

from shared.catalog import SqlInbox
from shared.domain import Receipt, Rejection, State, Submission
from shared.errors import BrokerUnavailable, CatalogUnavailable, Retryable
from tests.faults.accounts import Account
from tests.faults.desks import Post, push
from tests.golden import ACCEPTED, golden
from tests.golden.malformed import MALFORMED, PAYLOAD, encode_body, envelope
from tests.keeping import database_of
from tests.relay import Relay
from tests.worlds import World
from workers.intake import amqp_source, redis_source

IN_FLIGHT = 12
"""Messages that the intake holds when something happens; as many again have no key."""


@pytest.fixture
def world(tmp_path: Path, database_url: str) -> Iterator[World]:
    with World.open(tmp_path, database_url=database_url) as opened:
        yield opened


def on(*places: str) -> pytest.MarkDecorator:
    """Run a test on these pairs, `broker+database`; as a slow test on those named `slow …`."""
    return pytest.mark.parametrize(
        ("post", "database_url"), [_place(one) for one in places], indirect=True
    )


def _place(name: str) -> ParameterSet:
    slow, _, pair = name.rpartition(" ")
    return pytest.param(*pair.split("+"), id=pair, marks=[pytest.mark.slow] if slow else [])


REDIS, RABBITMQ = "redis+sqlite", "rabbitmq+postgresql"
EVERYWHERE = (REDIS, "redis+postgresql", RABBITMQ)


class Watched(SqlInbox):
    """An inbox at which something happens before or after it stores, and which keeps answers."""

    def __init__(
        self,
        world: World,
        *,
        before: Callable[[], object] = lambda: None,
        after: Callable[[], object] = lambda: None,
    ) -> None:
        super().__init__(database_of(world))
        self.answers: list[Receipt | Rejection] = []
        self._before, self._after = before, after

    def take(self, letters: Sequence[Submission | Rejection]) -> Sequence[Receipt | Rejection]:
        self._before()
        answers = super().take(letters)
        self.answers.extend(answers)
        self._after()
        return answers


def send(post: Post) -> None:
    """Push messages with keys, messages without, and one that is none."""
    for number in range(IN_FLIGHT):
        post.push(push(key=f"k{number}", **{f"keyed{number}": f"text {number}"}))
        post.push(push(**{f"keyless{number}": f"words {number}"}))
    post.push(b"nonsense")


def check(account: Account) -> None:
    """Assert that all that `send` sent is there, once."""
    for number in range(IN_FLIGHT):
        assert account.find_receipt(f"k{number}", **{f"keyed{number}": f"text {number}"})
        account.find_documents(**{f"keyless{number}": f"words {number}"})
    account.settle()
    account.check()
    kept = account.world.refused()
    assert len(kept) == 1, "[once] a rejection is kept once"


# --- 5 and 9: the broker is killed with messages in flight --------------------------------------


@on(REDIS, "redis+postgresql", f"slow {RABBITMQ}")
def test_a_broker_killed_after_the_commit_has_its_messages_recognised(
    world: World, post: Post
) -> None:
    send(post)
    with pytest.raises(BrokerUnavailable):
        post.take(Watched(world, after=post.kill_broker))
    with pytest.raises(Retryable):
        post.take()
    post.start_broker()
    post.take_all(2 * IN_FLIGHT + 1)

    assert post.left() == 0
    check(Account(world))


@on(REDIS)
def test_a_broker_killed_before_the_commit_has_its_messages_taken_once(
    world: World, post: Post
) -> None:
    send(post)
    with pytest.raises(BrokerUnavailable):
        post.take(Watched(world, before=post.kill_broker))
    post.start_broker()
    post.take_all(2 * IN_FLIGHT + 1)

    assert post.left() == 0
    check(Account(world))


@on(REDIS, RABBITMQ)
def test_messages_whose_commit_failed_are_still_the_broker_s(world: World, post: Post) -> None:
    send(post)

    def fail() -> None:
        raise CatalogUnavailable("The database went away.")

    with pytest.raises(CatalogUnavailable):
        post.take(Watched(world, before=fail))

    taken, end = 0, time.monotonic() + 10
    while taken < 2 * IN_FLIGHT + 1:
        taken += post.take_all()
        assert time.monotonic() < end, f"[ack-after-commit] {taken} came again; the rest is lost"
    check(Account(world))


# --- 6: the connection is half-open -------------------------------------------------------------


@on(REDIS, RABBITMQ)
def test_a_connection_that_is_half_open_is_noticed_and_nothing_is_lost_or_doubled(
    world: World, post: Post, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(redis_source, "_TIMEOUT_SECONDS", 1.0)
    monkeypatch.setattr(amqp_source, "_TIMEOUT_SECONDS", 1.0)
    send(post)
    with Relay(post.address) as relay:
        post.go_through(relay.port)
        post.take_all(1)
        relay.freeze()
        with suppress(BrokerUnavailable):  # AMQP has a heartbeat; until then silence is silence
            assert post.take() == 0
        relay.thaw()
        post.take_all()
        post.push(push(key="late", late="it came late"))
        with pytest.raises(BrokerUnavailable):
            post.take(Watched(world, after=relay.freeze))
        relay.cut()
        relay.thaw()
        post.take_all(1)

    assert post.left() == 0
    account = Account(world)
    assert account.find_receipt("late", late="it came late")
    check(account)


# --- 15: messages come again and out of order ---------------------------------------------------


@on(*EVERYWHERE)
def test_messages_that_come_again_and_out_of_order_are_one_document(
    world: World, post: Post
) -> None:
    dice = random.Random(15)
    versions = {
        f"k{number}": {"id": "d", "text": f"state {number}", "external_version": number}
        for number in range(1, 11)
    }
    messages = [
        json.dumps({"collection": "c", "key": key, "documents": [document]}).encode()
        for key, document in versions.items()
        for _ in range(3)
    ]
    dice.shuffle(messages)
    for start in range(0, len(messages), 10):
        post.push(*messages[start : start + 10])
        inbox = Watched(world, after=_fail)
        with pytest.raises(Retryable):  # and each batch is read twice, since its intake fails
            post.take(inbox)
        post.take_all()
        world.index_all()
    other = json.dumps({"collection": "c", "key": "k3", "documents": [{"id": "d", "text": "x"}]})
    post.push(other.encode())
    post.take_all(1)

    account = Account(world)
    for key, document in versions.items():
        assert account.find_receipt(key, d=str(document["text"]))
    account.settle()
    account.check()
    assert world.texts_at(world.head().version) == ["state 10"]
    (kept,) = world.refused()
    assert (kept.reason, kept.letter.key, kept.raw != b"") == ("key-reused", "k3", True)


def _fail() -> None:
    raise BrokerUnavailable("The process is about to die.")


# --- 16: anything at all ------------------------------------------------------------------------


def hostile() -> Iterator[bytes]:
    """Messages that are wrong in ways that no client library makes."""
    yield b"x" * (20 * 1024 * 1024)
    yield b"[" * 100_000
    yield b'{"collection": "c", "documents": [{"text": NaN}]}'
    yield b'{"collection": "c", "documents": [{"text": "\xff\xfe"}]}'
    yield b'{"collection": "c", "documents": [{"text": "\\ud800"}]}'
    yield b'{"collection": "c\\u0000", "documents": [{"text": "a"}]}'
    yield b""
    chain = [{"task": "lamina.index", "args": [], "kwargs": {}, "options": {"queue": "spawned"}}]
    embed = {"callbacks": chain, "errbacks": chain, "chain": chain, "chord": chain[0]}
    yield envelope(body=encode_body([[], PAYLOAD, embed]), message_id="chained")
    yield from (raw for raw, _ in MALFORMED.values())


def damaged(dice: random.Random, count: int) -> Iterator[bytes]:
    """Good messages with bytes changed, cut out, doubled or cut off."""
    good = [golden(name) for name in ACCEPTED]
    for _ in range(count):
        raw = bytearray(dice.choice(good))
        for _ in range(dice.randint(1, 6)):
            place = dice.randrange(len(raw) or 1)
            match dice.randrange(4):
                case 0:
                    raw[place : place + 1] = bytes([dice.randrange(256)])
                case 1:
                    del raw[place : place + dice.randint(1, 40)]
                case 2:
                    raw[place:place] = raw[place : place + dice.randint(1, 40)]
                case _:
                    del raw[place:]
        yield bytes(raw)


@on(REDIS, RABBITMQ)
def test_whatever_is_pushed_is_taken_or_kept_and_the_next_good_one_comes_through(
    world: World, post: Post
) -> None:
    messages = [*hostile(), *damaged(random.Random(16), 150)]
    for raw in messages:
        post.push(raw)
    post.push(push(key="good", good="the next good one"))
    inbox = Watched(world)
    taken = 0
    while taken <= len(messages):
        some = post.take(inbox)
        assert some, f"[fuzz] {taken} of {len(messages) + 1} were taken"
        taken += some

    assert len(inbox.answers) == taken == len(messages) + 1
    assert len(world.refused()) >= len(MALFORMED)
    assert post.left() == 0
    spawned = {
        one for one in post.queues() if not one.startswith(("lamina.submit", "lamina.reply."))
    }
    assert not spawned, f"[fuzz] a message made other messages: {spawned}"
    world.index_all()
    assert world.records.document("c", "good").state is State.INDEXED
    assert world.found("the next good one")[0] == "good"
