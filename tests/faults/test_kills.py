"""Faults 4, 13, 21 and 28: processes that die or stand still where others must not notice."""

import signal
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from http.client import HTTPException
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from shared.domain import RetentionRule
from shared.errors import Busy, Fenced, Retryable
from shared.indexing.turns import index_next
from shared.searching.search import SearchRequest, search
from shared.trust.checking import scrub_next
from shared.upkeep.garbage import collect
from shared.upkeep.merging import merge_next, relay_next
from tests.command_line import run_module
from tests.faults import accept_child
from tests.faults.accounts import Account
from tests.faults.crowd import Crowd
from tests.faults.test_crash_points import die_at
from tests.faults.test_writers import start_child, wait_until_stopped
from tests.integration.test_web_process import call, wait_until_alive, web_process
from tests.keeping import database_of, keeper_of, let_hours_pass
from tests.refusals import refused
from tests.trust import checker_of
from tests.worlds import World

DOCUMENTS = "/api/v1/collections/c/documents"


@pytest.fixture
def world(tmp_path: Path, database_url: str) -> Iterator[World]:
    with World.open(tmp_path, database_url=database_url) as opened:
        yield opened


on_sqlite = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


# --- 4: who accepts dies, and the client asks again ---------------------------------------------


def accept_and_die(world: World, url: str, statement: int, key: str) -> int:
    """Let another process accept and die; return its exit code."""
    done = run_module("tests.faults.accept_child", str(world.folder), url, str(statement), key)
    assert done.returncode in (0, -signal.SIGKILL), done.stderr
    return done.returncode


@pytest.mark.parametrize("statement", [4, 1000], ids=["in its transaction", "after it"])
def test_whoever_dies_while_it_accepts_the_same_key_again_makes_one_document(
    world: World, database_url: str, statement: int
) -> None:
    code = accept_and_die(world, database_url, statement, "k")
    account = Account(world)

    receipt = account.add(key="k", **accept_child.TEXTS)

    assert (code == 0) == receipt.repeated == (statement == 1000)
    account.settle()
    account.check()


def test_a_web_process_killed_before_it_answers_accepts_the_same_key_once(
    tmp_path: Path,
) -> None:
    def ask(port: int, name: str) -> tuple[int, dict[str, Any]]:
        body = {"documents": [{"id": name, "text": f"the text of {name}"}]}
        return call(port, "POST", DOCUMENTS, body, {"Idempotency-Key": name})

    with World.open(tmp_path) as world:
        # Each of its workers dies after the second submission that it commits.
        with web_process(tmp_path, LAMINA_FAIL_AT="web.accepted:2") as (process, port, _):
            assert ask(port, "a")[0] == 202
            with pytest.raises((ConnectionError, HTTPException)):
                ask(port, "b")
            wait_until_alive(port, process)
            status, answer = ask(port, "b")
        account = Account(world)

        assert status == 202
        assert all(account.find_receipt(one, **{one: f"the text of {one}"}) for one in "ab")
        assert answer["job"]["id"] == world.inbox.receipts("b")[0].job_id
        account.settle()
        account.check()


# --- 13: a worker that lives, but not while its lease lasts -------------------------------------


def test_a_worker_that_stood_still_past_its_lease_publishes_nothing(
    world: World, database_url: str
) -> None:
    account = Account(world)
    account.add(a="first a", b="first b")
    child = start_child(world, database_url, "host:paused", 0)
    wait_until_stopped(child)

    end = time.monotonic() + 30
    while not world.claims.reap(max_crashes=3):  # nobody says that it is dead: time does
        assert time.monotonic() < end, "[lease] its lease never ran out"
        time.sleep(0.05)
    while index_next(replace(world.bench, worker="host:another")):
        pass
    head = world.head()
    child.send_signal(signal.SIGCONT)
    out, err = child.communicate(timeout=60)

    assert out.decode().split()[-1] == "fenced", err.decode()
    assert world.head() == head, "[fence] a process whose lease had run out published"
    account.settle()
    account.check()


def test_a_worker_that_renews_its_lease_is_left_alone(world: World) -> None:
    account = Account(world)
    account.add(a="first a", b="first b")

    def stay() -> None:
        """Work for longer than the heartbeat waits, while somebody looks for dead workers."""
        first, end = lease_until(world), time.monotonic() + 20
        while lease_until(world) <= first:
            assert world.claims.reap(max_crashes=3) == 0, TAKEN
            assert time.monotonic() < end, "[lease] its worker lives, and it was not extended"
            time.sleep(0.05)

    world.encoder.on_pass = stay
    record = index_next(replace(world.bench, lease_seconds=5.0))

    assert record is not None
    assert record.closed_by == "drained", TAKEN
    account.settle()
    account.check()


TAKEN = "[lease] a claim was taken from a worker that lives"


def lease_until(world: World) -> float:
    """Return when the newest claim's lease runs out, by the catalog's clock."""
    return float(str(world.records.claims(limit=1)[0]["lease_until"]))


def test_a_worker_whose_claim_was_taken_away_is_told_so_when_it_renews(world: World) -> None:
    Account(world).add(a="first a")
    claim = world.claim()
    world.claims.renew(claim.id, 30.0)
    assert world.claims.reap(worker=world.bench.worker, max_crashes=3) == 1
    with refused(Fenced, "[lease] a claim that was taken away was renewed"):
        world.claims.renew(claim.id, 30.0)


# --- 21: two of each kind of upkeep at once -----------------------------------------------------


def tend(world: World, holder: str, rounds: int) -> None:
    """Do every chore, several times; another process may be at it."""
    upkeep = world.upkeep(worker=holder)
    keeper = keeper_of(world, holder=holder)
    checker = replace(checker_of(world), shift=keeper.shift)
    chores = (
        partial(merge_next, upkeep),
        partial(relay_next, upkeep),
        partial(collect, keeper, world.collections.get("c"), dry_run=False),
        partial(scrub_next, checker),
        partial(world.claims.reap, max_crashes=3),
    )
    for _ in range(rounds):
        for chore in chores:
            try:
                chore()
            except (Busy, Fenced, Retryable):
                continue  # the other one was first


def test_two_upkeeps_at_once_do_what_one_does(world: World) -> None:
    account = Account(world)
    world.collections.configure("c", retention=RetentionRule(versions=3, days=0))
    for number in range(24):
        account.add(**{f"d{number % 15}": f"text {number}"})
        world.index_all()
    account.add(lost="held by one that died")
    world.claim()
    with database_of(world).write() as tx:
        tx.execute(text("UPDATE claims SET lease_until = 0 WHERE state = 'active'"))

    with Crowd() as crowd:
        for holder in ("host:7", "host:8", "host:9"):
            crowd.do(partial(tend, world, holder, 4), holder)

    with database_of(world).read() as tx:
        crashes = tx.execute(text("SELECT sum(crashes) FROM revisions")).scalar_one()
    assert crashes == 1, f"[once] one dead worker was counted {crashes} times"
    assert world.segments() < 10, "nothing was merged"
    account.settle()
    account.check()
    assert set(world.live_documents().values()) == {1}


# --- 28: searches go on while others die --------------------------------------------------------


class Reader:
    """Searches again and again; every answer must be whole, and no version older than before."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._latest = 0
        self.answers = 0

    def look(self) -> None:
        """Search once."""
        result = search(self._world.searcher, SearchRequest(collection="c", query="text", k=50))
        names = [hit.id for hit in result.hits]
        assert result.version >= self._latest, "[monotone] a search went back in time"
        assert len(set(names)) == len(names), f"[once] found twice: {names}"
        assert names.count("always") == 1, "[upsert] neither, or both, of an upsert"
        assert {f"old{number}" for number in range(9)} <= set(names), "[kept] what was there is not"
        self._latest = result.version
        self.answers += 1


@pytest.mark.slow
@pytest.mark.timeout(300)
@on_sqlite
def test_searches_never_fail_while_writers_and_merges_are_killed(world: World) -> None:
    account = Account(world)
    for number in range(9):
        account.add(**{f"old{number}": f"text {number}"})
        world.index_all()
    account.add(always="text of the first")
    world.index_all()
    reader = Reader(world)
    over = threading.Event()

    with Crowd() as crowd:
        crowd.repeat(reader.look, "reader", pause=0.05)
        crowd.do(lambda: assert_over(over), "until all have died")
        try:
            for number, point in enumerate(DEATHS):
                for segment in range(8):  # enough to be merged
                    account.add(**{f"more{number}-{segment}": f"words {segment}"})
                    world.index_all()
                account.add(always=f"text of the {number}", **{f"new{number}": f"text n {number}"})
                die_at(world, point)
                world.claims.reap(worker=world.bench.worker, max_crashes=9)
                let_hours_pass(world)  # for the lease of a merge that died
        finally:
            over.set()

    assert reader.answers > 20
    account.settle()
    while merge_next(world.upkeep()):
        pass
    account.check()


def assert_over(event: threading.Event) -> None:
    """Wait until something is over."""
    assert event.wait(300)


DEATHS = ("publish.manifest_written", "publish.committed", "merge.written", "merge.committed")
"""Before and after what readers look at changes, by an upsert and by a merge."""
