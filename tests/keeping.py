"""Garbage collection in a small world: what makes garbage, and the oracle of what is left."""

from dataclasses import replace

import numpy as np
from sqlalchemy import text

from shared.catalog import Database
from shared.domain import (
    Attempt,
    Claim,
    Collection,
    Head,
    KeptVersion,
    Manifest,
    RetentionRule,
)
from shared.ingest import deletion, submit
from shared.upkeep.chores import Shift
from shared.upkeep.merging import merge_next
from shared.upkeep.remains import Keeper
from tests.heads import head_of_kept
from tests.worlds import World


def keeper_of(
    world: World,
    *,
    grace_seconds: float = 0.0,
    orphan_days: float = 7.0,
    holder: str = "host:3",
    lease_seconds: float = 30.0,
) -> Keeper:
    """Return what garbage collection needs in *world*, by default without any grace."""
    return Keeper(
        renditions=world.renditions,
        shift=Shift(
            chores=world.chores,
            versions=world.versions,
            holder=holder,
            lease_seconds=lease_seconds,
        ),
        reading=world.reading,
        roster=world.roster,
        store=world.store,
        files=world.store,
        grace_seconds=grace_seconds,
        orphan_days=orphan_days,
    )


def database_of(world: World) -> Database:
    """Return the catalog's database, for an adapter of a test's own."""
    return world.versions._database


def keep_only(world: World, versions: int) -> Collection:
    """Make the rule that only so many versions stay; return the collection with it."""
    rule = RetentionRule(versions=versions, days=0)
    return world.collections.configure("c", retention=rule)


def live_versions(world: World) -> list[KeptVersion]:
    """Return the versions that can be searched, oldest first."""
    kept = world.versions.kept(world.collection.id)
    return [one for one in kept if one.expired_at is None]


def numbers(world: World) -> list[int]:
    """Return the numbers of the versions that can be searched."""
    return [one.version for one in live_versions(world)]


def needed_keys(world: World) -> set[str]:
    """Return all that the versions need which can be searched, or a rebuild; manifests too."""
    parts = tuple(world.renditions.parts(world.collection.id))
    keys = set(world.store.needed(replace(Manifest.empty(world.collection), segments=parts)))
    for one in live_versions(world):
        head = head_of(world, one)
        keys |= world.store.needed(world.store.read_manifest(head))
        keys.add(world.store.manifest_key(head))
    return keys


def keys_on_disk(world: World) -> set[str]:
    """Return everything that lies in the collection's folder of the index."""
    return {entry.key for entry in world.store.entries(world.collection.id)}


def head_of(world: World, version: KeptVersion) -> Head:
    """Return where a version of the world's collection has its manifest."""
    return head_of_kept(world.collection.id, version)


def contents(world: World) -> dict[int, list[tuple[str, str]]]:
    """Return the documents (id, passage) of every version that can be searched, by its number.

    Read from the files, by a process that has nothing open yet: every checksum is verified.
    """
    store = world.fresh_store()
    found = {}
    for one in live_versions(world):
        ids = store.open(store.read_manifest(head_of(world, one))).ids()
        records = world.reading.passages([int(vector_id) for vector_id in ids])
        assert len(records) == len(ids), f"texts of version {one.version} are missing"
        found[one.version] = sorted((two.external_id, two.passage) for two in records.values())
    return found


def check_nothing_lost(world: World, before: dict[int, list[tuple[str, str]]]) -> None:
    """Assert that every version still kept is whole and says what it said *before*."""
    heads = [head_of(world, one) for one in live_versions(world)]
    keys = {world.store.manifest_key(head) for head in heads} - keys_on_disk(world)
    assert not keys, f"[kept-files] manifests of kept versions are gone: {sorted(keys)}"
    missing = needed_keys(world) - keys_on_disk(world)
    assert not missing, f"[kept-files] files of kept versions are gone: {sorted(missing)}"
    after = contents(world)
    assert after, "the head is kept at least"
    for version, documents in after.items():
        assert documents == before.get(version, documents), f"version {version} has changed"


def put(world: World, *numbers: int, words: str = "text") -> None:
    """Publish one version with these documents."""
    world.add(*({"id": f"d{number}", "text": f"{words} {number}"} for number in numbers))
    world.index_all()


def drop(world: World, number: int) -> None:
    """Publish a version without this document."""
    submit(world.inbox, world.bell, deletion(f"d{number}", collection="c", source="api"))
    world.index_all()


def live_a_little(world: World) -> None:
    """Publish 13 versions: 8 additions, an upsert, a delete, a merge (11), two more upserts."""
    put(world, 0, 10, 20)
    for number in range(1, 8):
        put(world, number)
    put(world, 10, words="changed")
    drop(world, 20)
    assert merge_next(world.upkeep())
    put(world, 3, words="changed")
    put(world, 4, words="changed")


def abandoned_segment(world: World) -> Attempt:
    """Leave the segment of a merge whose process died two hours ago: its attempt is open."""
    attempt = write_segment(world, None)
    let_hours_pass(world)
    return attempt


def let_hours_pass(world: World) -> None:
    """Make every attempt two hours older, and let the leases of all chores run out."""
    with database_of(world).write() as tx:
        tx.execute(text("UPDATE attempts SET started_at = started_at - 7200"))
        tx.execute(text("UPDATE chores SET lease_until = 0"))


def open_segment(world: World, number: int) -> tuple[Claim, Attempt]:
    """Write a segment as a worker in mid-publish does; return its claim and its attempt."""
    world.add({"id": f"d{number}", "text": f"text {number}"})
    claim = world.claim()
    return claim, write_segment(world, claim)


def write_segment(world: World, claim: Claim | None) -> Attempt:
    """Register an attempt and write a segment of one vector, no more."""
    space = world.collection.space
    attempt = world.publications.register(
        world.collection.id, vectors=1, claim_id=claim.id if claim else None, worker="host:8"
    )
    world.store.write_segment(
        attempt,
        space_id=space.id,
        metric=space.metric,
        ids=np.array([attempt.first_vector_id], dtype=np.int64),
        vectors=np.full((1, space.dimension), space.dimension**-0.5, dtype=np.float32),
    )
    return attempt
