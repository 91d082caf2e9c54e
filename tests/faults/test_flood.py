"""Fault 25: one producer floods the queue, and another one has ten documents."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from shared.domain import Lane, Submission
from shared.ingest import parse_submission
from tests.faults.accounts import Account, documents_of
from tests.worlds import LIMITS, World

FLOOD = 3000
BATCH = 100


@pytest.fixture
def world(tmp_path: Path, database_url: str) -> Iterator[World]:
    with World.open(tmp_path, database_url=database_url) as opened:
        yield opened


def submit(account: Account, producer: str, texts: dict[str, str], *, collection: str) -> None:
    """Submit documents in bulk, as a producer with a name."""
    submission: Submission = parse_submission(
        documents_of(texts), LIMITS, collection=collection, source="queue:q", lane=Lane.BULK
    )
    receipt = account.world.inbox.accept(replace(submission, producer=producer))
    if collection == "c":
        account.ledger.acknowledge(receipt.job_id, documents_of(texts))


@pytest.mark.parametrize("other", ["another producer", "another collection"])
def test_ten_documents_behind_a_flood_are_in_the_next_claim(world: World, other: str) -> None:
    account = Account(world)
    for start in range(0, FLOOD, 1000):
        texts = {f"flood{number}": f"text {number}" for number in range(start, start + 1000)}
        submit(account, "flooder", texts, collection="c")
    first = world.claim()
    world.create("other")
    quiet = {f"quiet{number}": f"words {number}" for number in range(10)}
    if other == "another producer":
        submit(account, "quiet", quiet, collection="c")
    else:
        submit(account, "flooder", quiet, collection="other")

    following = world.claim()

    assert len(first.revisions) == BATCH
    claimed = {one.external_id for one in following.revisions}
    assert quiet.keys() <= claimed, f"[fair] only {len(quiet.keys() & claimed)} of 10 were claimed"
    assert len(claimed) == BATCH, "[fair] the flood stands still meanwhile"
