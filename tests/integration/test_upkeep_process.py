"""A real upkeep process: it tends, beside everything else, and ends when it is told to."""

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from shared.domain import (
    ChoreKind,
    ChoreState,
    Chunking,
    IndexRule,
    Lane,
    Policy,
    RetentionRule,
)
from tests.worker_process import WorkerProcess, wait_until
from tests.worlds import World


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """A world where every word of a document is a passage with its own vector."""
    with World.open(tmp_path, chunking=Chunking(max_tokens=1, overlap_tokens=0)) as opened:
        yield opened


@pytest.fixture
def upkeep(world: World) -> Iterator[WorkerProcess]:
    process = WorkerProcess(
        "upkeep",
        world.folder,
        LAMINA_MERGE_EVERY_SECONDS="0.1",
        LAMINA_MERGE_LEASE_SECONDS="1.5",
        LAMINA_RETENTION_EVERY_SECONDS="0.1",
        LAMINA_RETENTION_GRACE_SECONDS="0.01",
        LAMINA_STORAGE_MIN_FREE_BYTES="1",
    )
    process.start()
    process.wait_until_ready()
    with process:
        yield process


def add_segments(world: World, count: int, words: int) -> None:
    for number in range(count):
        text = " ".join(f"w{number}-{word}" for word in range(words))
        world.add({"id": f"d{number}", "text": text})
        world.index_all()


def test_it_merges_collects_and_checks(world: World, upkeep: WorkerProcess) -> None:
    world.collections.configure("c", retention=RetentionRule(versions=1, days=0))
    add_segments(world, 8, words=3)

    wait_until(lambda: world.segments() == 1)
    world.add({"id": "one more", "text": "patience"})
    world.index_all()  # now no kept version needs the segments that were merged
    wait_until(lambda: len(world.files("data.faiss")) == 2)
    wait_until(lambda: world.chores.last(world.collection.id, ChoreKind.SCRUB) is not None)
    assert len(world.live_documents()) == 9
    assert upkeep.stop() == 0


@pytest.mark.slow
def test_claims_are_given_back_while_it_merges_and_a_stop_ends_that(
    world: World, upkeep: WorkerProcess
) -> None:
    rule = IndexRule(policy=Policy.HNSW, recall_target=0.999)
    world.collections.configure("c", index=rule)
    add_segments(world, 8, words=10_000)
    wait_until(lambda: merges(world) == [ChoreState.ACTIVE])

    world.add({"id": "new", "text": "patience"})
    assert claim_and_die(world)
    wait_until(lambda: world.roster.backlog()["claimed"] == 0)

    assert merges(world) == [ChoreState.ACTIVE], "still at it"
    upkeep.send(signal.SIGTERM)
    assert upkeep.wait(10) == 0
    assert merges(world) == [ChoreState.FAILED]
    assert world.head().version == 8


def merges(world: World) -> list[ChoreState]:
    """Return how the merges stand."""
    found = world.chores.chores(limit=100)
    return [chore.state for chore in found if chore.kind is ChoreKind.MERGE]


def claim_and_die(world: World) -> bool:
    """Claim with a lease that nobody renews."""
    claim = world.claims.claim(
        "host:7",
        fingerprints=[world.encoder.card.fingerprint],
        max_lane=Lane.REBUILD,
        max_characters=10_000,
        max_documents=1,
        lease_seconds=0.1,
    )
    return claim is not None
