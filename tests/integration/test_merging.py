"""Merges beside everything else: searches, deletes and each other."""

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from shared.catalog import SqlChores
from shared.domain import (
    Chore,
    ChoreKind,
    ChoreState,
    Damage,
    IndexRule,
    Policy,
    RetentionRule,
    VersionKind,
)
from shared.errors import (
    CatalogUnavailable,
    CorruptFile,
    Fenced,
    OutOfSpace,
    Retryable,
)
from shared.indexing.turns import index_next
from shared.ingest import deletion, submit
from shared.settings import MergeSettings
from shared.upkeep.garbage import collect
from shared.upkeep.merging import merge_next, relay_next
from shared.upkeep.room import Room
from shared.versions.restoring import restore
from shared.versions.shelf import Shelf
from tests.keeping import keeper_of
from tests.worlds import Cramped, World

SMALL = MergeSettings(floor=250, ann_from=250)
"""Segments of so many vectors are large: laying them out takes milliseconds."""


@pytest.fixture
def world(tmp_path: Path, database_url: str) -> Iterator[World]:
    """A world on each database, since what publishes must hold on both."""
    with World.open(tmp_path, database_url=database_url) as opened:
        yield opened


def add_segments(world: World, count: int) -> None:
    for number in range(count):
        world.add({"id": f"d{number}", "text": f"text {number}"})
        world.index_all()


def test_a_merge_changes_how_vectors_lie_and_nothing_else(world: World) -> None:
    add_segments(world, 8)
    before = world.search("text 3")

    assert merge_next(world.upkeep())

    after = world.search("text 3")
    assert world.segments() == 1
    assert [hit.id for hit in after.hits] == [hit.id for hit in before.hits]
    assert [hit.score for hit in after.hits] == pytest.approx([hit.score for hit in before.hits])
    assert after.version == before.version + 1


def test_versions_before_a_merge_can_still_be_searched(world: World) -> None:
    add_segments(world, 8)
    merge_next(world.upkeep())

    assert len(world.texts_at(3)) == 3


def test_deletes_that_come_during_a_merge_are_not_undone(world: World) -> None:
    add_segments(world, 8)

    def delete_meanwhile() -> None:
        submit(world.inbox, world.bell, deletion("d2", collection="c", source="api"))
        world.add({"id": "d5", "text": "changed"})
        world.index_all()

    assert merge_next(world.upkeep(when_chosen=delete_meanwhile))

    live = world.live_documents()
    assert "d2" not in live, "[late-deletes] a merge undid a delete"
    assert live["d5"] == 1, "[late-deletes] a merge undid an upsert"
    assert len(live) == 7
    assert "changed" in world.texts_at(world.head().version)


def test_while_one_process_merges_no_other_begins(world: World) -> None:
    add_segments(world, 8)
    others: list[bool] = []

    assert merge_next(
        world.upkeep(lambda: others.append(merge_next(world.upkeep(worker="host:3"))))
    )

    assert others == [False]
    assert world.head().version == 9, "eight commits and one merge"


class CutOff(SqlChores):
    """The chores as a process sees them that cannot reach the catalog for its heartbeats."""

    def renew(self, chore_id: int, *, lease_seconds: float, done: int, total: int) -> None:
        raise CatalogUnavailable("The network is down.")


def test_of_two_merges_of_the_same_segments_one_gives_up(world: World) -> None:
    add_segments(world, 8)

    def lose_the_lease_to_another() -> None:
        time.sleep(0.3)
        assert merge_next(world.upkeep(worker="host:3"))

    slow = world.upkeep(lose_the_lease_to_another, lease_seconds=0.2)
    cut_off = replace(slow.shift, chores=CutOff(world.versions._database))

    assert not merge_next(replace(slow, shift=cut_off)), "[merged-once] both merges published"

    assert world.head().version == 9, "eight commits and one merge"
    assert world.segments() == 1
    assert len(world.live_documents()) == 8
    assert [chore.state for chore in chores(world)] == [ChoreState.DONE, ChoreState.LOST]


def test_who_learns_that_the_lease_is_lost_publishes_nothing(world: World) -> None:
    add_segments(world, 8)

    def take_the_chore_away() -> None:
        world.chores.end(chores(world)[0].id, ChoreState.LOST, "")
        time.sleep(0.3)

    with pytest.raises(Fenced, match="lease"):
        merge_next(world.upkeep(take_the_chore_away, lease_seconds=0.3))

    assert world.head().version == 8
    assert world.segments() == 8


def chores(world: World) -> list[Chore]:
    return list(world.chores.chores(limit=10))


def test_a_restore_meanwhile_is_not_undone(world: World) -> None:
    for number in range(8):
        world.add({"id": f"d{number}", "text": "first"}, {"id": f"e{number}", "text": "second"})
        world.index_all()
    submit(world.inbox, world.bell, deletion("d2", collection="c", source="api"))
    world.index_all()

    merged = merge_next(world.upkeep(lambda: bring_back(world, 8)))

    assert not merged, "[restored] a merge went over a restore"
    assert world.live_documents()["d2"] == 1, "what the restore brought back is still there"
    assert len(world.live_documents()) == 16
    assert chores(world)[0].state is ChoreState.FAILED
    assert "restore" in chores(world)[0].detail
    assert merge_next(world.upkeep()), "and is merged the next time"
    assert len(world.live_documents()) == 16


def test_a_restore_of_the_segments_before_an_earlier_merge_is_not_undone(world: World) -> None:
    add_segments(world, 8)
    assert merge_next(world.upkeep())
    for number in range(8, 15):
        world.add({"id": f"d{number}", "text": f"text {number}"})
        world.index_all()

    assert not merge_next(world.upkeep(lambda: bring_back(world, 8)))

    assert sorted(world.live_documents()) == sorted(f"d{n}" for n in range(8))
    assert world.segments() == 8


def bring_back(world: World, version: int) -> None:
    shelf = Shelf(
        collections=world.collections,
        publications=world.publications,
        reading=world.reading,
        records=world.records,
        versions=world.versions,
        chores=world.chores,
        store=world.store,
        files=world.store,
        worker="host:9",
        lease_seconds=30.0,
    )
    restore(shelf, "c", str(version))


def test_the_versions_a_merge_reads_stay_while_it_reads(world: World) -> None:
    collection = world.collections.configure("c", retention=RetentionRule(versions=1, days=0))
    add_segments(world, 8)

    def publish_and_collect() -> None:
        submit(world.inbox, world.bell, deletion("d2", collection="c", source="api"))
        world.index_all()
        garbage = collect(keeper_of(world), collection, dry_run=False)
        assert 8 not in garbage.expired
        assert garbage.expired

    assert merge_next(world.upkeep(publish_and_collect))

    assert sorted(world.live_documents()) == sorted(f"d{n}" for n in range(8) if n != 2)
    assert world.versions.kept(world.collection.id)[-1].leased is False
    assert 8 in collect(keeper_of(world), collection, dry_run=False).expired


def test_progress_shows_while_a_merge_runs(world: World) -> None:
    add_segments(world, 8)
    seen: list[Chore] = []

    def look() -> None:
        deadline = time.monotonic() + 5
        while time.monotonic() < deadline and not (seen and seen[-1].done):
            time.sleep(0.02)
            seen.append(chores(world)[0])

    assert merge_next(world.upkeep(look, lease_seconds=0.15))

    running, ended = seen[-1], chores(world)[0]
    assert (running.kind, running.state) == (ChoreKind.MERGE, ChoreState.ACTIVE)
    assert (running.done, running.total) == (8, 8)
    assert (ended.state, ended.detail) == (ChoreState.DONE, "8 segments became one of 8 vectors")


def test_a_process_that_stops_gives_its_merge_up(world: World) -> None:
    add_segments(world, 8)
    stopping = threading.Event()

    with pytest.raises(Retryable, match="stopping"):
        merge_next(world.upkeep(stopping.set, stopping=stopping.is_set))

    assert world.head().version == 8
    assert chores(world)[0].state is ChoreState.FAILED
    remains = collect(keeper_of(world), world.collection, dry_run=False)
    assert len(remains.removed) == 1, "the segment that it had written"
    assert merge_next(world.upkeep()), "another process takes over at once"


def test_a_merge_waits_for_disk_space(world: World) -> None:
    add_segments(world, 8)
    disk = Cramped(world.folder / "index", free=world.manifest().bytes)
    upkeep = replace(world.upkeep(), room=Room(disk, 0))

    with pytest.raises(OutOfSpace, match=r"A merge waits for disk space: .* are free"):
        merge_next(upkeep)

    assert (world.head().version, chores(world)) == (8, [])
    disk.free *= 2
    assert merge_next(replace(upkeep, room=Room(disk, 0)))


def test_a_damaged_collection_does_not_hold_up_the_others(world: World) -> None:
    add_segments(world, 8)
    world.create("z")
    for number in range(8):
        world.add({"id": f"d{number}", "text": "of z"}, collection="z")
        world.index_all()
    flip_last_byte(world.files("data.faiss")[0])
    fresh = replace(world.upkeep(), store=world.fresh_store())

    assert merge_next(fresh)

    heads = world.reading.heads()
    assert sorted(head.version for head in heads.values()) == [8, 9]
    damages = world.chores.damages()
    assert [damage.segment_id for damage in damages] == [damaged_segment(world)]
    assert not merge_next(fresh), "seven sound segments are no full tier"


def test_segments_in_quarantine_are_left_alone(world: World) -> None:
    add_segments(world, 9)
    bad = world.manifest().segments[0]
    world.chores.report(
        [
            Damage(
                collection_id=world.collection.id,
                key=f"1/segments/{bad.id}/data.faiss",
                segment_id=bad.id,
                reason="rot",
            )
        ]
    )

    assert merge_next(world.upkeep())

    assert bad in world.manifest().segments
    assert world.segments() == 2


def damaged_segment(world: World) -> str:
    return world.files("data.faiss")[0].parent.name


def flip_last_byte(path: Path) -> None:
    """Damage a file under a new inode, so that processes that mapped it keep what they have."""
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.unlink()
    path.write_bytes(content)


def test_when_everything_is_deleted_the_segments_go(world: World) -> None:
    add_segments(world, 3)
    for number in range(3):
        submit(world.inbox, world.bell, deletion(f"d{number}", collection="c", source="api"))
    world.index_all()

    assert world.segments() == 0
    assert world.hits("text") == ()


def test_repeated_adding_and_merging_keeps_the_segments_few(world: World) -> None:
    most = 0
    for number in range(40):
        world.add({"id": f"d{number}", "text": f"text {number}"})
        world.index_all()
        while merge_next(world.upkeep()):
            pass
        most = max(most, world.segments())

    assert most <= 16
    assert np.array_equal(sorted(world.live_documents()), sorted(f"d{n}" for n in range(40)))


@pytest.fixture
def large(tmp_path: Path, database_url: str) -> Iterator[World]:
    """A world where three segments of 300 vectors are large enough to be laid out."""
    with World.open(tmp_path, database_url=database_url, merge=SMALL) as opened:
        opened.collections.configure("c", index=IndexRule(policy=Policy.FLAT))
        for start in range(0, 900, 300):
            numbers = range(start, start + 300)
            opened.add(*({"id": f"d{n}", "text": f"document number {n}"} for n in numbers))
            while index_next(replace(opened.bench, max_documents=300)):
                pass
        assert [one.rows for one in opened.manifest().segments] == [300, 300, 300]
        yield opened


def relay(world: World, rule: IndexRule) -> None:
    world.collections.configure("c", index=rule)
    assert relay_next(world.upkeep())


def policies(world: World) -> set[Policy]:
    return {one.layout.policy if one.layout else Policy.FLAT for one in world.manifest().segments}


def test_another_rule_lays_everything_out_anew_without_encoding(large: World) -> None:
    encoded, documents = large.encoder.encoded, large.live_documents()
    best = large.search("document number 7", exact=True).hits
    version = large.head().version

    for policy in (Policy.HNSW, Policy.IVF, Policy.SQ8, Policy.FLAT):
        relay(large, IndexRule(policy=policy, recall_target=0.6))
        version += 1

        assert large.head().version == version, "one version for all segments"
        assert large.manifest().kind is VersionKind.RELAY
        assert policies(large) == {policy}
        assert large.live_documents() == documents
        assert [hit.id for hit in large.search("document number 7", exact=True).hits] == [
            hit.id for hit in best
        ]
        assert not relay_next(large.upkeep()), "and then all is well"
    assert large.encoder.encoded == encoded


def test_a_relay_says_how_far_it_is_over_all_segments(large: World) -> None:
    seen: list[tuple[int, int]] = []

    def look() -> None:
        time.sleep(0.2)
        seen.append((chores(large)[0].done, chores(large)[0].total))

    large.collections.configure("c", index=IndexRule(policy=Policy.HNSW))
    assert relay_next(large.upkeep(look, lease_seconds=0.15))

    assert seen == [(300, 900), (600, 900), (900, 900)]
    assert chores(large)[0].detail == "3 segments laid out anew: hnsw"


def test_deletes_that_come_during_a_relay_are_not_undone(large: World) -> None:
    large.collections.configure("c", index=IndexRule(policy=Policy.SQ8))

    assert relay_next(large.upkeep(once(lambda: change(large))))

    live = large.live_documents()
    assert "d2" not in live
    assert live["d5"] == 1
    assert len(live) == 899
    assert "changed" in [hit.passage for hit in large.hits("changed")]


def once(act: Callable[[], None]) -> Callable[[], None]:
    """Return what does *act* the first time that it is called, and nothing later."""
    left = [act]

    def call() -> None:
        if left:
            left.pop()()

    return call


def change(world: World) -> None:
    submit(world.inbox, world.bell, deletion("d2", collection="c", source="api"))
    world.add({"id": "d5", "text": "changed"})
    world.index_all()


def test_a_merge_during_a_relay_keeps_what_it_made(large: World) -> None:
    large.collections.configure("c", index=IndexRule(policy=Policy.SQ8))

    assert relay_next(large.upkeep(once(lambda: merge_two(large))))

    assert len(large.live_documents()) == 900
    assert large.segments() == 2, "the merged one, and one laid out anew"


def merge_two(world: World) -> None:
    """Merge the first two segments, as a process with other settings might."""
    eager = replace(
        world.upkeep(worker="host:3"), merges=lambda segments, *, rule, now: segments[:2]
    )
    assert merge_next(eager)


@pytest.mark.slow
def test_a_relay_of_which_nothing_is_left_is_given_up(large: World) -> None:
    before = large.head().version
    large.collections.configure("c", index=IndexRule(policy=Policy.SQ8))

    assert not relay_next(large.upkeep(once(lambda: drop_all(large))))

    assert large.head().version > before
    assert large.live_documents() == {}
    assert chores(large)[0].state is ChoreState.FAILED


def drop_all(world: World) -> None:
    for name in world.live_documents():
        submit(world.inbox, world.bell, deletion(name, collection="c", source="api"))
    world.index_all()


def test_a_relay_that_fails_leaves_the_old_layout_serving(large: World) -> None:
    for path in large.files("data.faiss")[-1:]:
        flip_last_byte(path)
    large.collections.configure("c", index=IndexRule(policy=Policy.SQ8))
    fresh = large.fresh_store()

    with pytest.raises(CorruptFile):
        relay_next(replace(large.upkeep(), store=fresh, files=fresh))

    assert policies(large) == {Policy.FLAT}
    assert len(large.hits("document number 7", k=100)) == 100
