"""Restoring while others write, merge, expire and erase."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import text

from shared.domain import Manifest, Rewriting, VersionKind
from shared.errors import CorruptFile, IndexUnavailable, VersionExpired
from shared.index import FolderIndexStore
from shared.ingest import deletion, submit
from shared.upkeep.merging import merge_next
from shared.versions.restoring import Restored, restore
from tests.shelves import shelf_of
from tests.worlds import World


class Meanwhile(FolderIndexStore):
    """An index store in which something happens once, before the first manifest is written."""

    def __init__(self, world: World, happens: Callable[[], None]) -> None:
        super().__init__(world.folder / "index", merge=world.merge)
        self._happens = [happens]

    def write_manifest(self, manifest: Manifest) -> tuple[str, str]:
        if self._happens:
            self._happens.pop()()
        return super().write_manifest(manifest)


@pytest.fixture
def world(database_url: str, tmp_path: Path) -> Iterator[World]:
    """Version 1 holds a and b; version 2 has a changed; version 3 is without b."""
    with World.open(tmp_path, database_url=database_url) as opened:
        put(opened, a="first a", b="first b")
        put(opened, a="second a")
        delete(opened, "b")
        yield opened


def put(world: World, **texts: str) -> None:
    world.add(*({"id": name, "text": text} for name, text in texts.items()))
    world.index_all()


def delete(world: World, name: str) -> None:
    submit(world.inbox, world.bell, deletion(name, collection="c", source="api"))
    world.index_all()


def restore_while(world: World, happens: Callable[[], None], version: str = "1") -> Restored:
    return restore(shelf_of(world, store=Meanwhile(world, happens)), "c", version)


def leases(world: World, version: int) -> bool:
    return next(
        one.leased for one in world.versions.kept(world.collection.id) if one.version == version
    )


def test_the_restored_version_lists_the_very_segments_of_the_old_one(world: World) -> None:
    done = restore(shelf_of(world), "c", "1")

    old = world.store.read_manifest(world.reading.version(world.collection.id, 1))
    new = world.manifest()
    assert (done.head, done.unchanged) == (world.head(), False)
    assert new.segments == old.segments
    assert (new.version, new.kind) == (4, VersionKind.RESTORE)
    assert sorted(world.texts_at(4)) == ["first a", "first b"]


def test_a_writer_that_publishes_meanwhile_is_undone_too(world: World) -> None:
    done = restore_while(world, lambda: put(world, c="in between"))

    assert done.head.version == 5
    assert sorted(world.texts_at(5)) == ["first a", "first b"]
    assert sorted(world.texts_at(4)) == ["in between", "second a"]
    assert world.live_documents() == {"a": 1, "b": 1}


def test_a_version_that_expired_meanwhile_is_not_restored(world: World) -> None:
    def expire() -> None:
        world.versions.release(world.collection.id, 1, holder_of(world))
        assert world.versions.expire(world.collection.id, [1]) == [1]
        put(world, c="in between")

    with pytest.raises(VersionExpired):
        restore_while(world, expire)

    assert world.head().version == 4
    assert sorted(world.texts_at(4)) == ["in between", "second a"]


def holder_of(world: World) -> str:
    """Return who leases version 1 now."""
    with world.versions._database.read() as tx:
        return str(tx.scalar(text("SELECT holder FROM leases WHERE version = 1")))


def test_a_version_cannot_expire_while_it_is_restored(world: World) -> None:
    seen: list[bool] = []

    def try_to_expire() -> None:
        assert world.versions.expire(world.collection.id, [1]) == []
        seen.append(leases(world, 1))

    restore_while(world, try_to_expire)

    assert seen == [True]
    assert not leases(world, 1)
    assert world.versions.expire(world.collection.id, [1]) == [1]


def test_what_a_purge_took_out_meanwhile_does_not_come_back(world: World) -> None:
    restore_while(world, lambda: rewrite_without_b(world, purged="b"))

    assert world.live_documents() == {"a": 1}
    assert world.texts_at(world.head().version) == ["first a"]


def test_a_version_repaired_meanwhile_is_restored_as_repaired(world: World) -> None:
    """The head's manifest stays as it is, so only the old version's own checksum tells."""
    restore_while(world, lambda: rewrite_without_b(world, purged=None))

    repaired = world.store.read_manifest(world.reading.version(world.collection.id, 1))
    assert world.manifest().segments == repaired.segments
    assert world.live_documents() == {"a": 1}


def rewrite_without_b(world: World, *, purged: str | None) -> None:
    """Give version 1 a manifest without its document `b`."""
    collection_id = world.collection.id
    numbers = [one.version for one in world.versions.kept(collection_id)]
    heads = {number: world.reading.version(collection_id, number) for number in numbers}
    attempt = world.publications.register(collection_id, vectors=0, claim_id=None, worker="host:5")
    without = world.store.with_deleted(
        world.store.read_manifest(heads[1]),
        attempt,
        world.versions.vectors_of(collection_id, "b"),
    )
    file, sha256 = world.store.write_manifest(without)
    world.publications.rewrite(
        Rewriting(
            attempt=attempt,
            heads=tuple(heads.values()),
            rewritten=(replace(heads[1], manifest_file=file, manifest_sha256=sha256),),
            vectors={1: without.live},
            bytes={1: without.bytes},
            segments={1: len(without.segments)},
            purged=purged,
        )
    )


def test_a_merge_under_way_keeps_what_a_restore_brings_back(world: World) -> None:
    for number in range(8):
        put(world, **{f"d{number}": f"text {number}"})
    assert merge_next(world.upkeep(when_chosen=lambda: restore_first(world)))

    assert world.live_documents() == {"a": 1, "b": 1}
    assert sorted(world.texts_at(world.head().version)) == ["first a", "first b"]


def restore_first(world: World) -> None:
    restore(shelf_of(world), "c", "1")


def test_a_restore_after_a_merge_brings_the_old_segments_back(world: World) -> None:
    for number in range(8):
        put(world, **{f"d{number}": f"text {number}"})
    while merge_next(world.upkeep()):
        pass
    restore(shelf_of(world), "c", "3")

    assert world.live_documents() == {"a": 1}
    assert world.texts_at(world.head().version) == ["second a"]


def test_a_damaged_segment_is_refused_before_anything_is_registered(world: World) -> None:
    segment = world.store.read_manifest(world.reading.version(world.collection.id, 1)).segments[0]
    fresh = world.fresh_store()
    for file in world.folder.rglob(f"{segment.id}/*"):
        content = bytearray(file.read_bytes())
        content[-1] ^= 1
        file.chmod(0o600)
        file.write_bytes(content)

    with pytest.raises(CorruptFile):
        restore(shelf_of(world, store=fresh), "c", "1")

    assert world.head().version == 3
    assert not leases(world, 1)
    assert {one.segment_id for one in world.chores.damages(world.collection.id)} == {segment.id}


def test_a_full_disk_leaves_no_attempt_behind(world: World) -> None:
    def fail() -> None:
        raise IndexUnavailable("The disk is full.")

    with pytest.raises(IndexUnavailable):
        restore_while(world, fail)

    assert world.head().version == 3
    assert states_of_attempts(world)[-1] == "abandoned"


def states_of_attempts(world: World) -> list[str]:
    with world.versions._database.read() as tx:
        return list(tx.scalars(text("SELECT state FROM attempts ORDER BY started_at, id")))
