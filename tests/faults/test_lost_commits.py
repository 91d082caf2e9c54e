"""Fault 12: the network resets the connection at COMMIT, and nobody knows whether it happened.

A real PostgreSQL behind a real TCP connection: the relay lets COMMIT through and loses the answer,
or loses COMMIT itself.
"""

import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from shared.errors import CommitUnknown
from shared.indexing.turns import index_next
from tests.faults.accounts import Account
from tests.faults.desks import Post, push
from tests.faults.stores import Warned
from tests.postgres import Postgres
from tests.relay import Relay
from tests.worlds import World

COMMIT = b"COMMIT\0"


@pytest.fixture
def relay(postgres: Postgres) -> Iterator[Relay]:
    with Relay(postgres.socket) as relay:
        yield relay


@pytest.fixture
def world(tmp_path: Path, postgres: Postgres, relay: Relay) -> Iterator[World]:
    """A world whose catalog is behind the relay."""
    name = postgres.clean_database().split("?")[0].rsplit("/", 1)[1]
    url = f"postgresql+psycopg://postgres@127.0.0.1:{relay.port}/{name}?sslmode=disable"
    with World.open(tmp_path, database_url=url) as opened:
        yield opened


@pytest.fixture
def account(world: World) -> Account:
    return Account(world)


both = pytest.mark.parametrize("delivered", [True, False], ids=["committed", "not committed"])


@both
def test_a_client_that_repeats_its_key_has_one_document(
    account: Account, relay: Relay, *, delivered: bool
) -> None:
    lost = relay.lose(COMMIT, delivered=delivered)
    receipt = account.add(key="k", a="first a", b="first b")

    assert lost.is_set()
    assert account.tries == 1
    assert receipt.repeated == delivered, "[unknown] the key was not taken for what it is"
    account.settle()
    account.check()


def works(world: World) -> bool:
    """Take a turn; return whether the worker knew what it had claimed."""
    try:
        return index_next(world.bench) is not None
    except CommitUnknown:
        return False


@both
def test_a_claim_whose_worker_was_not_told_is_its_own_or_nobody_s(
    account: Account, relay: Relay, *, delivered: bool
) -> None:
    world = account.world

    for number in range(4):  # oftener than a document may end its worker
        account.add(**{f"d{number}": f"text {number}"})
        lost = relay.lose(COMMIT, delivered=delivered)
        assert works(world) == delivered, "[unknown] a claim that was taken is nobody's"
        assert lost.is_set()

    assert world.claims.reap(worker=world.bench.worker, max_crashes=3) == 0
    account.settle()
    account.check()
    found = {one["state"] for one in world.records.claims(limit=100)}
    assert found == {"closed"}, f"[unknown] claims that nobody held: {found}"


@both
def test_what_was_being_published_is_published_once(
    account: Account, relay: Relay, *, delivered: bool
) -> None:
    world = account.world
    account.add(a="first a", b="first b")
    world.index_all()
    account.add(a="second a", c="first c")

    lost: list[threading.Event] = []

    def lose() -> None:
        lost.append(relay.lose(COMMIT, delivered=delivered))

    record = index_next(replace(world.bench, store=Warned(world.folder / "index", lose)))

    assert record is not None
    assert [one.is_set() for one in lost] == [True]
    assert record.closed_by == "drained", "[unknown] what was published is taken for lost"
    assert world.head().version == 2, "[unknown] published twice, or not at all"
    account.settle()
    account.check()
    assert world.head().version == 2


@both
def test_messages_whose_intake_was_not_told_are_taken_once(
    account: Account, relay: Relay, post: Post, *, delivered: bool
) -> None:
    post.push(push(key="k", a="first a"), push(key="l", b="first b"), push(c="no key"))
    post.push(b"nonsense")

    lost = relay.lose(COMMIT, delivered=delivered)
    with pytest.raises(CommitUnknown):
        post.take()
    post.take_all(4)

    assert lost.is_set()
    assert account.find_receipt("k", a="first a")
    assert account.find_receipt("l", b="first b")
    account.find_documents(c="no key")
    assert len(account.world.refused()) == 1
    account.settle()
    account.check()
