"""Garbage collection beside everything else: what is kept stays whole, all else goes."""

import os
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from shared.domain import (
    Attempt,
    ChoreKind,
    ChoreState,
    Garbage,
    RetentionRule,
)
from shared.errors import CorruptFile, VersionExpired
from shared.upkeep.garbage import collect
from tests.keeping import (
    abandoned_segment,
    check_nothing_lost,
    contents,
    keep_only,
    keeper_of,
    keys_on_disk,
    live_a_little,
    live_versions,
    needed_keys,
    numbers,
    open_segment,
    put,
)
from tests.worlds import World

DAY = 86_400


@pytest.fixture
def world(tmp_path: Path, database_url: str) -> Iterator[World]:
    """A world on each database, since what decides must hold on both."""
    with World.open(tmp_path, database_url=database_url) as opened:
        yield opened


# --- what goes and what stays -------------------------------------------------------------------


def test_what_no_kept_version_needs_goes_and_nothing_else(world: World) -> None:
    live_a_little(world)
    world.versions.tag(world.collection.id, 3, "named")
    world.versions.hold(world.collection.id, 6, "a reader", 60)
    collection = keep_only(world, 2)
    before, on_disk = contents(world), keys_on_disk(world)

    garbage = collect(keeper_of(world), collection, dry_run=False)

    assert numbers(world) == [3, 6, 12, 13]
    assert garbage.expired == (1, 2, 4, 5, 7, 8, 9, 10, 11)
    check_nothing_lost(world, before)
    assert keys_on_disk(world) == needed_keys(world)
    assert {*garbage.removed} == on_disk - keys_on_disk(world)
    assert garbage.bytes > 0
    assert world.versions.kept(world.collection.id) == live_versions(world), "the rest is buried"


def test_each_removal_is_logged_with_its_size(world: World) -> None:
    live_a_little(world)
    sizes = {one.key: one.bytes for one in world.store.entries(world.collection.id)}

    with capture_logs() as logs:
        garbage = collect(keeper_of(world), keep_only(world, 1), dry_run=False)

    said = {one["key"]: one["bytes"] for one in logs if one["event"] == "garbage_removed"}
    assert said == {key: sizes[key] for key in garbage.removed}
    assert sum(said.values()) == garbage.bytes


def test_a_dry_run_changes_nothing_and_names_what_a_real_run_then_removes(world: World) -> None:
    live_a_little(world)
    abandoned_segment(world)
    collection = keep_only(world, 2)
    on_disk, kept, chores = keys_on_disk(world), numbers(world), world.chores.chores(limit=10)

    preview = collect(keeper_of(world), collection, dry_run=True)

    assert (keys_on_disk(world), numbers(world)) == (on_disk, kept)
    assert world.chores.chores(limit=10) == chores
    real = collect(keeper_of(world), collection, dry_run=False)
    assert preview.removed
    assert preview == replace(real, dry_run=True, forgotten=0)


def test_a_second_run_finds_nothing_and_makes_no_chore_of_it(world: World) -> None:
    live_a_little(world)
    collection = keep_only(world, 2)
    collect(keeper_of(world), collection, dry_run=False)
    chores = world.chores.chores(limit=10)

    assert collect(keeper_of(world), collection, dry_run=False) == Garbage(collection="c")

    assert [one.state for one in chores if one.kind is ChoreKind.COLLECT] == [ChoreState.DONE]
    assert world.chores.chores(limit=10) == chores


def test_a_collection_without_versions_has_no_garbage(world: World) -> None:
    assert collect(keeper_of(world), world.collection, dry_run=False) == Garbage(collection="c")


def test_other_collections_are_left_alone(world: World) -> None:
    live_a_little(world)
    other = world.create("other")
    on_disk = keys_on_disk(world)

    assert collect(keeper_of(world), other, dry_run=False) == Garbage(collection="other")
    assert keys_on_disk(world) == on_disk


def test_the_rule_that_lasts_keeps_everything(world: World) -> None:
    live_a_little(world)
    collection = world.collections.configure(
        "c", retention=RetentionRule(versions=1, days=1, thinned=False)
    )
    before = contents(world)

    garbage = collect(keeper_of(world), collection, dry_run=False)

    assert garbage.expired == (11,), "the merge, which is no content"
    assert set(before) - set(numbers(world)) == {11}
    check_nothing_lost(world, before)


def test_texts_that_only_expired_versions_held_are_forgotten(world: World) -> None:
    live_a_little(world)

    garbage = collect(keeper_of(world), keep_only(world, 1), dry_run=False)

    # The first texts of 3, 4 and 10, the text of 20, and its tombstone if that counts.
    assert garbage.forgotten in (4, 5)
    changed, same = [f"changed {n}" for n in (10, 3, 4)], [f"text {n}" for n in (0, 1, 2, 5, 6, 7)]
    assert sorted(world.texts_at(13)) == [*changed, *same]


# --- grace, leases and tags ---------------------------------------------------------------------


def test_the_files_of_an_expired_version_stay_for_the_grace(world: World) -> None:
    live_a_little(world)
    collection, on_disk = keep_only(world, 1), keys_on_disk(world)

    first = collect(keeper_of(world, grace_seconds=600), collection, dry_run=False)

    assert first.expired == tuple(range(1, 13))
    assert first.removed == (), "[grace] files of versions that have just expired went"
    assert keys_on_disk(world) == on_disk
    with pytest.raises(VersionExpired):
        world.reading.version(world.collection.id, 12)

    second = collect(keeper_of(world), collection, dry_run=False)

    assert second.expired == ()
    assert second.removed
    assert keys_on_disk(world) == needed_keys(world)


def test_a_leased_version_stays_until_the_lease_ends(world: World) -> None:
    live_a_little(world)
    collection, before = keep_only(world, 1), contents(world)
    world.versions.hold(world.collection.id, 4, "a reader", 60)

    collect(keeper_of(world), collection, dry_run=False)
    assert numbers(world) == [4, 13]
    check_nothing_lost(world, before)

    world.versions.release(world.collection.id, 4, "a reader")
    collect(keeper_of(world), collection, dry_run=False)
    assert numbers(world) == [13]
    assert keys_on_disk(world) == needed_keys(world)


def test_an_untagged_version_goes_with_the_next_run(world: World) -> None:
    live_a_little(world)
    collection = keep_only(world, 1)
    world.versions.tag(world.collection.id, 4, "named")
    collect(keeper_of(world), collection, dry_run=False)
    world.versions.untag(world.collection.id, "named")

    assert collect(keeper_of(world), collection, dry_run=False).expired == (4,)


# --- what writers left behind -------------------------------------------------------------------


def keys_of(world: World, attempt: Attempt) -> set[str]:
    entries = world.store.entries(world.collection.id)
    return {entry.key for entry in entries if entry.attempt_id == attempt.id}


def test_what_a_dead_writer_left_goes_and_its_attempt_is_fenced_off(world: World) -> None:
    put(world, 1)
    attempt = abandoned_segment(world)
    assert keys_of(world, attempt)

    garbage = collect(keeper_of(world), world.collection, dry_run=False)

    assert garbage.revoked == (attempt.id,)
    assert keys_of(world, attempt) == set()
    assert world.versions.attempts([attempt.id])[attempt.id].state == "revoked"
    check_nothing_lost(world, {})


def test_what_a_working_writer_has_written_stays(world: World) -> None:
    put(world, 1)
    _, attempt = open_segment(world, 2)
    on_disk = keys_on_disk(world)

    assert collect(keeper_of(world), world.collection, dry_run=False) == Garbage(collection="c")
    assert keys_of(world, attempt) <= keys_on_disk(world) == on_disk


def test_an_abandoned_draft_goes_and_a_fresh_one_stays(world: World) -> None:
    put(world, 1)
    dead = abandoned_segment(world)
    _, working = open_segment(world, 2)
    for attempt in (dead, working):
        for key in keys_of(world, attempt):
            whole = world.folder / "index" / key
            whole.rename(whole.with_name(f"{whole.name}.tmp"))

    collect(keeper_of(world), world.collection, dry_run=False)

    assert keys_of(world, dead) == set()
    assert len(keys_of(world, working)) == 1


def test_files_that_the_catalog_never_heard_of_go_only_when_old(world: World) -> None:
    put(world, 1)
    unknown = unknown_segment(world)

    collect(keeper_of(world), world.collection, dry_run=False)
    assert unknown.exists()

    long_ago = time.time() - 8 * DAY
    os.utime(unknown, (long_ago, long_ago))
    garbage = collect(keeper_of(world), world.collection, dry_run=False)
    assert not unknown.exists()
    assert len(garbage.removed) == 1
    check_nothing_lost(world, {})


def unknown_segment(world: World) -> Path:
    """Copy a segment to the name of an attempt that no catalog ever registered."""
    (known,) = (world.folder / "index").glob("*/segments/*")
    attempt, _, name = known.name.rpartition("-")
    letters = "".join("1" if one == "0" else "0" for one in attempt)
    unknown = known.with_name(f"{letters}-{name}")
    unknown.mkdir()
    for file in known.iterdir():
        (unknown / file.name).write_bytes(file.read_bytes())
    (entry,) = (one for one in world.store.entries(world.collection.id) if letters in one.key)
    assert entry.attempt_id == letters
    return unknown


def test_names_that_are_not_ours_are_never_removed_and_logged_once(world: World) -> None:
    put(world, 1)
    strange = next((world.folder / "index").glob("*/segments")) / "my notes.txt"
    strange.write_text("keep me")
    os.utime(strange, (0, 0))
    keeper = keeper_of(world)

    with capture_logs() as logs:
        for _ in range(3):
            collect(keeper, world.collection, dry_run=False)

    assert strange.read_text() == "keep me"
    (said,) = (one for one in logs if one["event"] == "garbage_not_ours")
    assert said["keys"] == [f"{world.collection.id}/segments/my notes.txt"]


# --- damage -------------------------------------------------------------------------------------


def manifest_of(world: World, version: int) -> Path:
    (path,) = (world.folder / "index").glob(f"*/manifests/{version:012d}-*.json")
    return path


@pytest.mark.parametrize("damaged", [2, 13], ids=["tagged", "head"])
@pytest.mark.parametrize("missing", [True, False], ids=["missing", "flipped"])
def test_while_a_kept_manifest_is_damaged_nothing_is_removed(
    world: World, damaged: int, *, missing: bool
) -> None:
    live_a_little(world)
    world.versions.tag(world.collection.id, 2, "named")
    collection, path = keep_only(world, 1), manifest_of(world, damaged)
    if missing:
        path.unlink()
    else:
        path.write_bytes(path.read_bytes().replace(b"1", b"2", 1))
    on_disk = keys_on_disk(world)

    for dry_run in (True, False):
        with pytest.raises(CorruptFile, match=f"Nothing was removed.*version {damaged} of 'c'"):
            collect(keeper_of(world), collection, dry_run=dry_run)

    assert keys_on_disk(world) == on_disk
    (damage,) = world.chores.damages(collection.id)
    assert damage.key.endswith(path.name)


def test_damage_of_a_version_that_goes_goes_with_it(world: World) -> None:
    live_a_little(world)
    path = manifest_of(world, 2)
    path.write_bytes(b"{}")
    with pytest.raises(CorruptFile):
        collect(keeper_of(world), world.collection, dry_run=False)
    assert world.chores.damages(world.collection.id)

    collect(keeper_of(world), keep_only(world, 1), dry_run=False)

    assert not path.exists()
    assert world.chores.damages(world.collection.id) == []
    assert keys_on_disk(world) == needed_keys(world)
