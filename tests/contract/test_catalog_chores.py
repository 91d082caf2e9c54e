"""What every catalog promises of upkeep under a lease, damages and recall samples."""

import time

import pytest

from shared.domain import Chore, ChoreKind, ChoreState, Collection, Damage
from shared.errors import CollectionNotFound, Fenced
from tests.contract.catalogs import Catalog, put


@pytest.fixture(autouse=True)
def collection(catalog: Catalog) -> Collection:
    return catalog.collection()


def begin(
    catalog: Catalog,
    collection: Collection,
    kind: ChoreKind = ChoreKind.MERGE,
    *,
    holder: str = "h:1",
    seconds: float = 60.0,
    detail: str = "",
) -> Chore:
    chore = catalog.chores.begin(
        collection.id, kind, holder=holder, lease_seconds=seconds, detail=detail
    )
    assert chore is not None
    return chore


def test_a_chore_of_one_kind_and_collection_is_begun_once(
    catalog: Catalog, collection: Collection
) -> None:
    other = catalog.collection("other")
    chore = begin(catalog, collection, detail="3 segments")

    again = catalog.chores.begin(collection.id, ChoreKind.MERGE, holder="h:1", lease_seconds=60)

    assert again is None
    assert (chore.state, chore.holder, chore.detail) == (ChoreState.ACTIVE, "h:1", "3 segments")
    assert 0 <= catalog.roster.now() - chore.started_at < 60
    begin(catalog, collection, ChoreKind.SCRUB)
    begin(catalog, other)
    catalog.chores.end(chore.id, ChoreState.DONE, "merged")
    assert begin(catalog, collection).id > chore.id


def test_a_chore_whose_lease_ran_out_is_lost_to_the_next(
    catalog: Catalog, collection: Collection
) -> None:
    late = begin(catalog, collection, seconds=0.02)
    time.sleep(0.05)
    catalog.chores.renew(late.id, lease_seconds=0.02, done=1, total=9)  # nobody else wanted it
    time.sleep(0.05)

    taken = begin(catalog, collection, holder="h:2")

    with pytest.raises(Fenced):
        catalog.chores.renew(late.id, lease_seconds=60, done=2, total=9)
    catalog.chores.end(late.id, ChoreState.DONE, "too late")
    first, second = catalog.chores.chores(limit=9)
    assert (first.id, first.state, first.holder) == (taken.id, ChoreState.ACTIVE, "h:2")
    assert (second.id, second.state, second.done, second.total) == (late.id, ChoreState.LOST, 1, 9)
    assert second.ended_at is not None
    assert catalog.chores.last(collection.id, ChoreKind.MERGE) is None


def test_chores_are_listed_active_first_then_newest(
    catalog: Catalog, collection: Collection
) -> None:
    other = catalog.collection("other")
    active = begin(catalog, collection, ChoreKind.SCRUB)
    ended = []
    for state in (ChoreState.DONE, ChoreState.FAILED, ChoreState.DONE):
        ended.append(begin(catalog, collection).id)
        catalog.chores.end(ended[-1], state, f"it {state}")
    elsewhere = begin(catalog, other).id

    listed = [one.id for one in catalog.chores.chores(limit=9)]
    assert listed == [elsewhere, active.id, *reversed(ended)]
    of_c = catalog.chores.chores(collection="c", limit=2)
    assert [one.id for one in of_c] == [active.id, ended[-1]]
    assert of_c[1].detail == "it done"
    with pytest.raises(CollectionNotFound):
        catalog.chores.chores(collection="nowhere", limit=1)


def test_the_last_chore_is_the_newest_that_was_done(
    catalog: Catalog, collection: Collection
) -> None:
    assert catalog.chores.last(collection.id, ChoreKind.COLLECT) is None
    done = begin(catalog, collection, ChoreKind.COLLECT)
    catalog.chores.end(done.id, ChoreState.DONE, "3 files")
    catalog.chores.end(
        begin(catalog, collection, ChoreKind.COLLECT).id, ChoreState.FAILED, "disk full"
    )
    last = catalog.chores.last(collection.id, ChoreKind.COLLECT)
    assert last is not None
    assert (last.id, last.state, last.detail) == (done.id, ChoreState.DONE, "3 files")
    assert last.ended_at is not None
    assert last.ended_at >= last.started_at


def test_old_chores_are_dropped_but_never_the_last_that_was_done(
    catalog: Catalog, collection: Collection
) -> None:
    done = begin(catalog, collection)
    catalog.chores.end(done.id, ChoreState.DONE, "")
    for _ in range(210):
        catalog.chores.end(begin(catalog, collection).id, ChoreState.FAILED, "")
    listed = catalog.chores.chores(limit=1000)
    assert 195 < len(listed) < 205
    last = catalog.chores.last(collection.id, ChoreKind.MERGE)
    assert last is not None
    assert last.id == done.id


def test_a_damage_keeps_the_time_it_was_found_until_it_is_repaired(
    catalog: Catalog, collection: Collection
) -> None:
    other = catalog.collection("other")
    mine = Damage(collection_id=collection.id, key="a", segment_id="s", reason="flipped")
    manifest = Damage(collection_id=collection.id, key="m", segment_id=None, reason="missing")
    theirs = Damage(collection_id=other.id, key="a", segment_id="t", reason="short")
    catalog.chores.report([mine])
    (found,) = catalog.chores.damages(collection.id)
    catalog.chores.report([])
    catalog.chores.report([theirs, manifest, mine])

    assert found.found_at > 0
    assert (found.key, found.segment_id, found.reason) == ("a", "s", "flipped")
    assert catalog.chores.damages(collection.id)[0] == found
    assert [one.key for one in catalog.chores.damages(collection.id)] == ["a", "m"]
    assert {(one.collection_id, one.key) for one in catalog.chores.damages()} == {
        (collection.id, "a"),
        (collection.id, "m"),
        (other.id, "a"),
    }
    catalog.chores.repaired(collection.id, ["a", "unknown"])
    assert [one.key for one in catalog.chores.damages(collection.id)] == ["m"]
    assert [one.segment_id for one in catalog.chores.damages(other.id)] == ["t"]


def test_live_recall_is_of_the_samples_since_the_last_merge(
    catalog: Catalog, collection: Collection
) -> None:
    assert catalog.chores.recall(collection.id) is None
    catalog.index(put("a"))
    catalog.chores.sample(collection.id, version=1, k=10, recall=0.2)
    before = catalog.chores.recall(collection.id)
    assert before is not None
    assert (before.queries, before.worst) == (1, 0.2)
    assert before.recall == pytest.approx(0.2)

    catalog.tidy(collection)

    assert catalog.chores.recall(collection.id) is None
    catalog.chores.sample(collection.id, version=1, k=10, recall=0.1)  # it searched before
    for recall in (1.0, 0.8):
        catalog.chores.sample(collection.id, version=2, k=10, recall=recall)
    now = catalog.chores.recall(collection.id)
    assert now is not None
    assert (now.queries, now.worst) == (2, 0.8)
    assert now.recall == pytest.approx(0.9)


def test_the_newest_thousand_samples_stay(catalog: Catalog, collection: Collection) -> None:
    other = catalog.collection("other")
    catalog.chores.sample(other.id, version=0, k=10, recall=0.5)
    for number in range(1105):
        catalog.chores.sample(collection.id, version=0, k=1, recall=float(number >= 105))
    found = catalog.chores.recall(collection.id)
    assert found is not None
    assert (found.queries, found.recall, found.worst) == (1000, 1.0, 1.0)
    with catalog.database.read() as tx:
        stored = tx.exec_driver_sql("SELECT count(*) FROM recall_samples").scalar_one()
    assert stored < 1101
    assert catalog.chores.recall(other.id) is not None
