"""What every catalog promises of names, aliases and deleted collections."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from shared.catalog import SqlDiscards, SqlNames
from shared.catalog.tables import Row
from shared.domain import State
from shared.errors import (
    CollectionExists,
    CollectionInUse,
    CollectionNotFound,
    Fenced,
    InvalidRequest,
    JobNotFound,
)
from tests.contract.catalogs import Catalog, put, puts


def test_an_alias_is_a_name_and_several_move_at_once_or_not_at_all(catalog: Catalog) -> None:
    names = SqlNames(catalog.database)
    old, new = catalog.collection("old"), catalog.collection("new")

    names.point({"live": "old", "next": "new"})
    job = catalog.submit(put("d"), collection="live").job_id
    catalog.index_all()

    assert catalog.collections.get("live") == old
    assert catalog.records.job(job).collection == "old"
    assert catalog.records.document("live", "d").state is State.INDEXED
    for refused, changes in (
        (CollectionNotFound, {"live": "new", "next": "nowhere"}),
        (InvalidRequest, {"live": "new", "more": "next"}),
        (InvalidRequest, {"live": "new", "No": "new"}),
        (CollectionExists, {"live": "new", "old": "new"}),
    ):
        with pytest.raises(refused):
            names.point(changes)
        assert names.aliases() == {"live": "old", "next": "new"}
    with pytest.raises(CollectionExists, match="is an alias"):
        catalog.collection("live")
    names.point({"live": "new", "next": "old"})
    assert (catalog.collections.get("live"), catalog.collections.get("next")) == (new, old)
    names.point({"next": None, "never": None})
    assert names.aliases() == {"live": "new"}

    renamed = names.rename("live", "newest")
    assert (renamed.id, renamed.name) == (new.id, "newest")
    assert names.aliases() == {"live": "newest"}
    assert names.rename("newest", "newest") == renamed
    for taken in ("live", "old"):
        with pytest.raises(CollectionExists):
            names.rename("newest", taken)


def test_of_those_that_want_a_name_at_once_one_gets_it(catalog: Catalog) -> None:
    catalog.collection("c")

    def take(number: int) -> bool:
        try:
            if number % 2:
                catalog.collection("wanted")
            else:
                SqlNames(catalog.database).point({"wanted": "c"})
        except CollectionExists:
            return False
        return True

    with ThreadPoolExecutor(6) as pool:
        done = list(pool.map(take, range(6)))

    is_alias = "wanted" in SqlNames(catalog.database).aliases()
    # An alias may be set again, a collection be made once.
    assert (sum(done[1::2]), sum(done[0::2])) == ((0, 3) if is_alias else (1, 0))


def test_a_deleted_collection_is_nowhere_and_comes_back_with_what_waited(catalog: Catalog) -> None:
    discards = SqlDiscards(catalog.database)
    first = catalog.collection("c")
    other = catalog.collection("other")
    catalog.index(put("a"))
    waiting = catalog.submit(*puts(2)).job_id
    catalog.submit(put("b"), collection="other")
    claim = catalog.must_claim()
    attempt = catalog.register(claim)
    commit = catalog.fit(claim, attempt)
    counter = catalog.reading.counter()

    deleted = discards.discard("c")

    assert (deleted.name, deleted.documents) == ("c", 1)
    assert catalog.reading.counter() > counter
    with pytest.raises(Fenced):
        catalog.publications.commit(commit)
    for name in ("c", f"deleted:{first.id}"):
        with pytest.raises(CollectionNotFound):
            catalog.collections.get(name)
        with pytest.raises(CollectionNotFound):
            catalog.submit(put("a"), collection=name)
    with pytest.raises(JobNotFound):
        catalog.records.job(waiting)
    with pytest.raises(CollectionNotFound):
        catalog.reading.head(first.id)
    assert list(catalog.reading.heads()) == [other.id]
    assert [one.collection.name for one in catalog.collections.stats()] == ["other"]
    assert catalog.waiting.count(100) == 1
    assert {one.collection_id for one in catalog.must_claim("host:2").revisions} == {other.id}
    assert catalog.claim("host:3") is None

    second = catalog.collection("c")
    assert second.id != first.id
    with pytest.raises(CollectionExists):
        discards.recover("c", new=None, collection_id=None)
    discards.discard("c")
    assert [one.id for one in discards.discarded()] == [second.id, first.id]
    back = discards.recover("c", new="back", collection_id=first.id)
    assert (back.id, back.name) == (first.id, "back")
    catalog.index_all()
    assert catalog.states(waiting) == {State.INDEXED: 2}
    assert catalog.records.document("back", "a").state is State.INDEXED
    SqlNames(catalog.database).point({"live": "back"})
    with pytest.raises(CollectionInUse, match="'live'"):
        discards.discard("live")


def test_what_is_removed_leaves_nothing_and_nothing_else_goes(catalog: Catalog) -> None:
    discards = SqlDiscards(catalog.database)
    catalog.collection("stays")
    catalog.submit(put("a"), collection="stays")
    catalog.index_all()
    before = rows(catalog)
    gone = catalog.collection("c")
    catalog.submit(*puts(3), key="k")
    catalog.index_all()
    catalog.submit(*puts(2))
    catalog.versions.tag(gone.id, 1, "t")
    catalog.versions.hold(gone.id, 1, "reader", 100)
    discards.discard("c")

    assert discards.doom(older_than_seconds=1000) == []
    assert not discards.strip(gone.id, limit=10)
    discards.forget(gone.id)
    assert [one.id for one in discards.discarded()] == [gone.id]
    assert discards.doom(older_than_seconds=0) == [gone.id]
    with pytest.raises(CollectionNotFound):
        discards.recover("c", new=None, collection_id=None)
    steps = 0
    while discards.strip(gone.id, limit=2):
        steps += 1
    discards.forget(gone.id)

    assert steps == 3
    after = rows(catalog)
    claims = {"claims", "passes"}  # of documents of several collections
    assert {name for name in before if before[name] != after[name]} - claims == {"counters"}
    assert discards.doom(older_than_seconds=0) == []


def rows(catalog: Catalog) -> dict[str, list[str]]:
    """Return all that the catalog holds, by table."""
    with catalog.database.read() as tx:
        return {
            name: sorted(str(tuple(row)) for row in tx.execute(table.select()))
            for name, table in Row.metadata.tables.items()
        }
