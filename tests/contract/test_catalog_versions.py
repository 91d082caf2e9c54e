"""What every catalog promises of kept versions: tags, leases, expiry, and who wrote what."""

import time

import pytest
from sqlalchemy import update

from shared.catalog.tables import AttemptRow, ChoreRow, LeaseRow
from shared.domain import ChoreKind, ChoreState, Collection, VersionKind
from shared.errors import (
    CollectionNotFound,
    Fenced,
    InvalidRequest,
    TagNotFound,
    VersionExpired,
    VersionNotFound,
)
from tests.contract.catalogs import RECORD, Catalog, put


@pytest.fixture(autouse=True)
def collection(catalog: Catalog) -> Collection:
    return catalog.collection()


@pytest.fixture
def five(catalog: Catalog) -> int:
    for number in range(5):
        catalog.index(put(f"d{number}"))
    return 5


def numbers(catalog: Catalog, collection: Collection) -> list[int]:
    return [one.version for one in catalog.versions.kept(collection.id)]


@pytest.mark.usefixtures("five")
def test_a_tag_names_a_version_and_moves(catalog: Catalog, collection: Collection) -> None:
    other = catalog.collection("other")
    catalog.versions.tag(collection.id, 2, "v1.0-rc_1")
    catalog.versions.tag(collection.id, 2, "also")
    catalog.versions.tag(other.id, 0, "also")
    assert catalog.versions.tagged(collection.id, "v1.0-rc_1") == 2
    catalog.versions.tag(collection.id, 3, "v1.0-rc_1")

    assert catalog.versions.tagged(collection.id, "v1.0-rc_1") == 3
    assert catalog.versions.tagged(other.id, "also") == 0
    kept = {one.version: one.tags for one in catalog.versions.kept(collection.id)}
    assert kept == {1: (), 2: ("also",), 3: ("v1.0-rc_1",), 4: (), 5: ()}
    catalog.versions.untag(collection.id, "also")
    with pytest.raises(TagNotFound):
        catalog.versions.tagged(collection.id, "also")
    with pytest.raises(TagNotFound):
        catalog.versions.untag(collection.id, "also")
    assert catalog.versions.tagged(other.id, "also") == 0


@pytest.mark.parametrize("name", ["", "1", "12a", "-a", "a b", "a/b", "é", "a\n", "a" * 101])
def test_a_tag_that_could_be_taken_for_something_else_is_refused(
    catalog: Catalog, collection: Collection, name: str
) -> None:
    with pytest.raises(InvalidRequest, match="letter"):
        catalog.versions.tag(collection.id, 0, name)


def test_versions_that_are_not_there_are_neither_tagged_nor_held(
    catalog: Catalog, collection: Collection, five: int
) -> None:
    assert catalog.versions.expire(collection.id, [1]) == [1]
    for version, error in ((1, VersionExpired), (five + 1, VersionNotFound)):
        with pytest.raises(error):
            catalog.versions.tag(collection.id, version, "t")
        with pytest.raises(error):
            catalog.versions.hold(collection.id, version, "h", 60)
    catalog.versions.bury(collection.id, [1])
    with pytest.raises(VersionExpired):
        catalog.versions.hold(collection.id, 1, "h", 60)


def test_the_head_tagged_and_leased_versions_and_version_0_stay(
    catalog: Catalog, collection: Collection, five: int
) -> None:
    catalog.versions.tag(collection.id, 1, "t")
    catalog.versions.hold(collection.id, 2, "reader", 60)

    went = catalog.versions.expire(collection.id, [*range(five + 3), 3])

    assert 1 not in went, "[kept-tagged] a tagged version expired"
    assert 2 not in went, "[kept-leased] a leased version expired"
    assert 5 not in went, "[kept-head] the head expired"
    assert went == [3, 4]

    assert catalog.versions.expire(collection.id, [3, 4]) == []
    assert catalog.versions.expire(collection.id, []) == []
    kept = catalog.versions.kept(collection.id)
    assert [(one.version, one.leased) for one in kept] == [
        (1, False),
        (2, True),
        (3, False),
        (4, False),
        (5, False),
    ]
    now = catalog.roster.now()
    gone = {one.version: one.expired_at for one in kept if one.expired_at is not None}
    assert set(gone) == {3, 4}
    assert all(now - 60 < at <= now + 0.01 for at in gone.values())
    catalog.versions.untag(collection.id, "t")
    catalog.versions.release(collection.id, 2, "somebody else")
    assert catalog.versions.expire(collection.id, [1, 2]) == [1]
    catalog.versions.release(collection.id, 2, "reader")
    catalog.versions.release(collection.id, 2, "reader")
    assert catalog.versions.expire(collection.id, [2]) == [2]


@pytest.mark.usefixtures("five")
def test_a_lease_ends_by_the_catalogs_clock_unless_renewed(
    catalog: Catalog, collection: Collection
) -> None:
    for version in (1, 2):
        catalog.versions.hold(collection.id, version, "reader", 0.05)
    catalog.versions.hold(collection.id, 2, "reader", 60)
    time.sleep(0.1)

    assert catalog.versions.expire(collection.id, [1, 2]) == [1]

    with catalog.database.read() as tx:
        leases = tx.execute(LeaseRow.__table__.select()).all()
    assert [one.version for one in leases] == [2], "leases that ran out are cleared away"


@pytest.mark.usefixtures("five")
def test_buried_versions_are_kept_no_more(catalog: Catalog, collection: Collection) -> None:
    catalog.versions.expire(collection.id, [1, 2])
    catalog.versions.bury(collection.id, [1, 3, 5])
    assert numbers(catalog, collection) == [2, 3, 4, 5]
    assert catalog.records.version("c", 1).expired
    assert not catalog.records.version("c", 3).expired
    with pytest.raises(VersionExpired):
        catalog.reading.version(collection.id, 1)


def test_kept_versions_come_with_their_manifests(catalog: Catalog, collection: Collection) -> None:
    catalog.index(put("a"))
    head = catalog.head(collection)
    (one,) = catalog.versions.kept(collection.id)
    assert (one.version, one.kind, one.published_at) == (1, VersionKind.COMMIT, head.published_at)
    assert (one.manifest_file, one.manifest_sha256) == (head.manifest_file, head.manifest_sha256)


def test_versions_are_listed_by_page_and_kind_and_whether_they_are_kept(
    catalog: Catalog, collection: Collection
) -> None:
    for name in ("a", "b"):
        catalog.index(put(name))
    catalog.tidy(collection)
    catalog.index(put("c"))
    catalog.tidy(collection, VersionKind.RELAY)
    catalog.versions.tag(collection.id, 2, "z")
    catalog.versions.tag(collection.id, 2, "a")
    catalog.versions.expire(collection.id, [1, 3])

    def listed(
        *, before: int | None = None, content_only: bool = False, kept_only: bool = False
    ) -> list[int]:
        found = catalog.records.versions(
            "c", limit=10, before=before, content_only=content_only, kept_only=kept_only
        )
        return [one.version for one in found]

    assert listed() == [5, 4, 3, 2, 1, 0]
    assert listed(before=4) == [3, 2, 1, 0]
    assert listed(content_only=True) == [4, 2, 1, 0]
    assert listed(kept_only=True) == [5, 4, 2, 0]
    assert listed(kept_only=True, content_only=True, before=4) == [2, 0]
    assert [one.version for one in catalog.records.versions("c", limit=2)] == [5, 4]
    two, three = (catalog.records.version("c", number) for number in (2, 3))
    assert (two.tags, two.parent, two.expired, two.bytes) == (("a", "z"), 1, False, 200)
    assert (three.tags, three.kind, three.expired) == ((), VersionKind.MERGE, True)
    assert catalog.records.versions("c", limit=10, before=3)[0] == two
    with pytest.raises(VersionNotFound):
        catalog.records.version("c", 6)
    with pytest.raises(CollectionNotFound):
        catalog.records.version("nowhere", 1)


def test_an_attempt_is_working_while_its_claim_or_its_workers_chore_is(
    catalog: Catalog, collection: Collection
) -> None:
    catalog.submit(put("a"))
    claim = catalog.must_claim()
    claimed = catalog.register(claim).id
    chore = catalog.chores.begin(collection.id, ChoreKind.MERGE, holder="upkeep", lease_seconds=60)
    assert chore is not None
    merging = catalog.attempt(collection, "upkeep").id
    alone, done, left = (catalog.attempt(collection, "else").id for _ in range(3))
    catalog.versions.revoke(done)
    catalog.publications.abandon(left)
    mine = [claimed, merging, alone, done, left]

    def working() -> list[bool]:
        found = catalog.versions.attempts([*mine, "unknown"])
        assert set(found) == set(mine)
        return [found[one].working for one in mine]

    assert working() == [True, True, True, False, False]
    with catalog.database.write() as tx:
        tx.execute(update(AttemptRow).values(started_at=catalog.roster.now() - 3601))
    assert working() == [True, True, False, False, False]
    with catalog.database.write() as tx:
        tx.execute(update(ChoreRow).values(lease_until=0.0))
    assert working() == [True, False, False, False, False]
    catalog.chores.renew(chore.id, lease_seconds=60, done=0, total=0)
    assert working()[1]
    catalog.chores.end(chore.id, ChoreState.DONE, "")
    catalog.claims.close(claim.id, RECORD)
    assert working() == [False] * 5
    states = {key: one.state for key, one in catalog.versions.attempts(mine).items()}
    assert [states[one] for one in mine] == [
        "revoked",
        "active",
        "active",
        "revoked",
        "abandoned",
    ]


def test_a_revoked_attempt_cannot_commit_and_a_committed_one_not_be_revoked(
    catalog: Catalog, collection: Collection
) -> None:
    catalog.submit(put("a"), put("b"))
    claims = [catalog.must_claim(max_documents=1) for _ in range(2)]
    first, second = (catalog.register(one) for one in claims)
    catalog.publications.commit(catalog.fit(claims[0], first))

    assert not catalog.versions.revoke(first.id)
    assert not catalog.versions.revoke("unknown")
    assert catalog.versions.revoke(second.id)
    assert not catalog.versions.revoke(second.id)
    with pytest.raises(Fenced):
        catalog.publications.commit(catalog.fit(claims[1], second))
    assert catalog.versions.attempts([first.id])[first.id].state == "committed"


def test_an_attempt_knows_when_it_began(catalog: Catalog, collection: Collection) -> None:
    before = catalog.roster.now()
    began = catalog.attempt(collection).started_at
    assert before <= began <= catalog.roster.now()
