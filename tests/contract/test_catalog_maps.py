"""What every catalog promises of maps."""

import pytest

from shared.catalog import SqlDiscards, SqlMaps
from shared.domain import Collection, MapState, MapWish, Projection
from shared.errors import VersionExpired, VersionNotFound
from tests.contract.catalogs import Catalog, put

DRAWN = Projection(
    method="pca",
    explained=0.5,
    settings={"components": 2.0},
    vectors=9,
    ids=(1, 5, 2**40),
    places=((-1.0, 0.25), (0.5, 0.0), (0.5, -0.25)),
    clusters=(0, 0, 1),
)


@pytest.fixture
def collection(catalog: Catalog) -> Collection:
    made = catalog.collection()
    for number in range(3):
        catalog.index(put(f"d{number}"))
    return made


@pytest.fixture
def maps(catalog: Catalog) -> SqlMaps:
    return SqlMaps(catalog.database)


def test_a_wish_is_drawn_once_unless_something_else_is_asked(
    maps: SqlMaps, collection: Collection
) -> None:
    assert maps.find(collection.id) is None
    assert maps.next(most_tries=3) is None
    first = maps.ask(collection.id, 2, sample=10, seed=1)
    maps.ask(collection.id, 3, sample=10, seed=1)
    wish = maps.next(most_tries=3)
    assert wish == MapWish(collection_id=collection.id, version=2, sample=10, seed=1)
    assert (first.state, first.projection) == (MapState.WANTED, None)

    maps.begin(wish)
    maps.end(wish, DRAWN)
    again = maps.ask(collection.id, 2, sample=10, seed=1)
    assert (again.state, again.projection) == (MapState.DONE, DRAWN)
    assert again.requested_at == first.requested_at
    newest = maps.find(collection.id)
    assert newest is not None
    assert newest.version == 3
    assert maps.find(collection.id, 1) is None

    other = maps.ask(collection.id, 2, sample=10, seed=2)
    assert (other.state, other.projection) == (MapState.WANTED, None)
    maps.end(wish, DRAWN)  # what somebody else began before that
    maps.fail(wish, "late")
    kept = maps.find(collection.id, 2)
    assert kept is not None
    assert (kept.state, kept.seed) == (MapState.WANTED, 2)


def test_one_that_failed_is_tried_again_when_it_is_asked_for(
    maps: SqlMaps, collection: Collection
) -> None:
    maps.ask(collection.id, 1, sample=10, seed=0)
    for tries in range(3):
        wish = maps.next(most_tries=3)
        assert wish is not None, tries
        maps.begin(wish)
        if not tries:
            maps.spare(wish)  # a stop, which is nobody's fault
            maps.begin(wish)
    assert maps.next(most_tries=3) is None
    failed = maps.find(collection.id, 1)
    assert failed is not None
    assert failed.state is MapState.FAILED

    assert maps.ask(collection.id, 1, sample=10, seed=0).state is MapState.WANTED
    assert maps.next(most_tries=3) == wish


def test_a_map_goes_with_its_version(
    catalog: Catalog, maps: SqlMaps, collection: Collection
) -> None:
    for version in (1, 3):
        maps.ask(collection.id, version, sample=10, seed=0)
    catalog.versions.expire(collection.id, [1])

    assert maps.find(collection.id, 1) is None
    assert maps.find(collection.id, 3) is not None
    with pytest.raises(VersionExpired):
        maps.ask(collection.id, 1, sample=10, seed=0)
    with pytest.raises(VersionNotFound):
        maps.ask(collection.id, 9, sample=10, seed=0)


def test_a_deleted_collection_is_not_drawn_and_takes_its_maps_along(
    catalog: Catalog, maps: SqlMaps, collection: Collection
) -> None:
    maps.ask(collection.id, 3, sample=10, seed=0)
    discards = SqlDiscards(catalog.database)
    discards.discard("c")
    assert maps.next(most_tries=3) is None

    discards.doom(older_than_seconds=-1)
    while discards.strip(collection.id, limit=10):
        pass
    discards.forget(collection.id)
    assert maps.find(collection.id) is None
