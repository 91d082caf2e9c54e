"""What every catalog promises of rewriting versions under their numbers, and of purging."""

from dataclasses import replace
from pathlib import Path

import pytest

from shared.domain import ChoreKind, Collection, Segment, State
from shared.errors import DocumentNotFound, Fenced, VersionConflict
from tests.contract.catalogs import Catalog, put
from tests.refusals import refused

SECRET = "a most remarkable secret"


@pytest.fixture(autouse=True)
def collection(catalog: Catalog) -> Collection:
    return catalog.collection()


def dump(catalog: Catalog) -> str:
    """Return all that the catalog's tables hold, as one text."""
    tables = ("documents", "revisions", "chunks", "liveness", "jobs", "keys", "versions", "claims")
    with catalog.database.read() as tx:
        return "\n".join(
            repr(tx.exec_driver_sql(f"SELECT * FROM {table}").all()) for table in tables
        )


def test_versions_get_new_manifests_and_keep_their_numbers(
    catalog: Catalog, collection: Collection
) -> None:
    for name in ("a", "b", "c"):
        catalog.index(put(name))
    catalog.let_go(collection, 1)
    before, counter = catalog.head(collection), catalog.reading.counter()
    rewriting = catalog.rewriting(collection)
    assert [one.version for one in rewriting.heads] == [2, 3]

    catalog.publications.rewrite(rewriting)

    head = catalog.head(collection)
    assert head == replace(before, manifest_file="new-3", manifest_sha256="n3")
    assert catalog.reading.version(collection.id, 3) == head
    assert catalog.reading.version(collection.id, 2).manifest_sha256 == "n2"
    assert catalog.reading.counter() > counter
    two = catalog.records.version("c", 2)
    assert (two.vectors, two.bytes, two.segments, two.documents) == (5, 500, 1, 2)
    assert catalog.records.version("c", 1).vectors == 1, "a buried one has no files"
    attempts = catalog.versions.attempts([rewriting.attempt.id])
    assert attempts[rewriting.attempt.id].state == "committed"
    catalog.manifests["n3"] = catalog.manifests[before.manifest_sha256]
    assert catalog.index(put("d")) == 4


def test_versions_that_do_not_change_need_not_be_rewritten(
    catalog: Catalog, collection: Collection
) -> None:
    for name in ("a", "b"):
        catalog.index(put(name))
    before = catalog.head(collection)
    rewriting = catalog.rewriting(collection)
    catalog.publications.rewrite(replace(rewriting, rewritten=rewriting.rewritten[:1]))
    assert catalog.head(collection) == before
    assert catalog.reading.version(collection.id, 1).manifest_sha256 == "n1"


def test_new_segments_are_remembered_from_the_first_version_on(
    catalog: Catalog, collection: Collection
) -> None:
    for name in ("a", "b"):
        catalog.index(put(name))
    segment = Segment(
        id="copy", space_id=collection.space.id, rows=1, min_id=1, max_id=1, bytes=9, sha256="c"
    )
    rewriting = replace(catalog.rewriting(collection), new_segments=(segment,))
    catalog.publications.rewrite(rewriting)
    assert catalog.versions.segments_at(collection.id, 1)["copy"] == "c"
    assert catalog.versions.segments_at(collection.id, 2)["copy"] == "c"


def test_whatever_happened_meanwhile_is_a_conflict_and_nothing_is_written(
    catalog: Catalog, collection: Collection
) -> None:
    catalog.index(put("a"))
    early = catalog.rewriting(collection)
    catalog.index(put("b"))
    with refused(VersionConflict, "[rewritten] a version was published meanwhile"):
        catalog.publications.rewrite(early)

    whole = catalog.rewriting(collection)
    partly = replace(whole, heads=whole.heads[1:], rewritten=whole.rewritten[1:])
    with pytest.raises(VersionConflict):
        catalog.publications.rewrite(partly)
    catalog.let_go(collection, 1)
    with pytest.raises(VersionConflict):
        catalog.publications.rewrite(whole)  # a version was let go

    first, second = catalog.rewriting(collection), catalog.rewriting(collection)
    catalog.publications.rewrite(first)
    with pytest.raises(VersionConflict):
        catalog.publications.rewrite(second)  # rewritten by another
    assert catalog.head(collection).manifest_sha256 == "n2"
    assert catalog.versions.attempts([second.attempt.id])[second.attempt.id].state == "active"


def test_a_version_that_just_expired_is_rewritten_too(
    catalog: Catalog, collection: Collection
) -> None:
    for name in ("a", "b"):
        catalog.index(put(name))
    rewriting = catalog.rewriting(collection)
    catalog.versions.expire(collection.id, [1])
    catalog.publications.rewrite(rewriting)
    kept = {one.version: one.manifest_sha256 for one in catalog.versions.kept(collection.id)}
    assert kept == {1: "n1", 2: "n2"}


def test_a_revoked_attempt_rewrites_nothing(catalog: Catalog, collection: Collection) -> None:
    catalog.index(put("a"))
    before = catalog.head(collection)
    rewriting = catalog.rewriting(collection, purged="a")
    catalog.versions.revoke(rewriting.attempt.id)
    with pytest.raises(Fenced):
        catalog.publications.rewrite(rewriting)
    assert catalog.head(collection) == before
    assert catalog.texts(collection, 1) == {"a": "some text"}


def test_a_purge_leaves_nothing_of_a_document_in_any_version(
    catalog: Catalog, collection: Collection
) -> None:
    receipt = catalog.submit(put("a", SECRET), put("b"), key="k", content="x")
    catalog.index_all()
    catalog.index(put("a", f"{SECRET}, again"), put("c"))
    catalog.submit(put("a", f"{SECRET}, again"))
    catalog.restore(collection, 1)
    vectors = catalog.versions.vectors_of(collection.id, "a")
    assert list(vectors) == [1, 3]

    catalog.publications.rewrite(catalog.rewriting(collection, purged="a"))

    assert SECRET not in dump(catalog), "[purged] its text is there"
    assert "Title of a" not in dump(catalog), "[purged] its title is there"
    assert [catalog.texts(collection, one) for one in (1, 2, 3)] == [
        {"b": "some text"},
        {"b": "some text", "c": "some text"},
        {"b": "some text"},
    ]
    assert [one.documents for one in catalog.records.versions("c", limit=3)] == [1, 2, 1]
    with catalog.database.read() as tx:
        chunks = tx.exec_driver_sql("SELECT vector_id FROM chunks ORDER BY vector_id").all()
    assert [one.vector_id for one in chunks] == [2, 4], "[purged] its chunks are there"
    assert catalog.reading.passages([int(one) for one in vectors]) == {}
    for wanted in (
        lambda: catalog.records.document("c", "a"),
        lambda: catalog.versions.vectors_of(collection.id, "a"),
        lambda: catalog.submit(put("b"), replace(put("a"), kind=type(put("a").kind).DELETE)),
        lambda: catalog.publications.rewrite(catalog.rewriting(collection, purged="a")),
    ):
        with pytest.raises(DocumentNotFound):
            wanted()
    job = catalog.records.job(receipt.job_id)
    assert job.counts == {State.INDEXED: 2}
    again = catalog.submit(put("a", SECRET), put("b"), key="k", content="x")
    assert again.repeated
    assert again.job_id == receipt.job_id


def test_a_purged_document_can_be_sent_anew(catalog: Catalog, collection: Collection) -> None:
    catalog.index(put("a", "old", version=9))
    catalog.publications.rewrite(catalog.rewriting(collection, purged="a"))
    catalog.manifests["n1"] = catalog.manifests[next(iter(catalog.manifests))]

    catalog.index(put("a", "new", version=1))

    assert catalog.texts(collection, 2) == {"a": "new"}
    assert catalog.records.document("c", "a").text == "new"
    assert catalog.records.version("c", 2).documents == 1


def test_what_waits_of_a_purged_document_is_cancelled_and_its_claim_revoked(
    catalog: Catalog, collection: Collection
) -> None:
    receipt = catalog.submit(put("a", SECRET), put("b"), put("c"))
    claim = catalog.must_claim(max_documents=2)
    attempt = catalog.register(claim)
    commit = catalog.fit(claim, attempt)
    catalog.submit(put("a", f"{SECRET} too"))

    catalog.publications.rewrite(catalog.rewriting(collection, purged="a"))

    assert SECRET not in dump(catalog)
    with pytest.raises(Fenced):
        catalog.publications.commit(commit)
    with pytest.raises(Fenced):
        catalog.claims.renew(claim.id, 30)
    assert catalog.states(receipt.job_id) == {State.CANCELLED: 1, State.PENDING: 2}
    again = catalog.must_claim("host:2")
    assert [(one.external_id, one.crashes) for one in again.revisions] == [("b", 0), ("c", 0)]
    catalog.publish(again, "host:2")
    job = catalog.records.job(receipt.job_id)
    assert job.finished
    assert job.counts == {State.CANCELLED: 1, State.INDEXED: 2}


def test_a_purge_revokes_other_attempts_of_upkeep_but_not_of_other_claims(
    catalog: Catalog, collection: Collection
) -> None:
    other = catalog.collection("other")
    catalog.index(put("a"))
    catalog.submit(put("b"))
    claimed = catalog.register(catalog.must_claim()).id
    catalog.chores.begin(collection.id, ChoreKind.MERGE, holder="upkeep", lease_seconds=60)
    merge, elsewhere = catalog.attempt(collection).id, catalog.attempt(other).id

    catalog.publications.rewrite(catalog.rewriting(collection, purged="a"))

    states = catalog.versions.attempts([claimed, merge, elsewhere])
    assert {key: one.state for key, one in states.items()} == {
        claimed: "active",
        merge: "revoked",
        elsewhere: "active",
    }


def test_a_document_of_the_same_id_in_another_collection_stays(
    catalog: Catalog, collection: Collection
) -> None:
    other = catalog.collection("other")
    catalog.submit(put("a", "mine"))
    catalog.index_all()
    catalog.submit(put("a", "theirs"), collection="other")
    catalog.index_all()
    catalog.publications.rewrite(catalog.rewriting(collection, purged="a"))
    assert catalog.texts(other, 1) == {"a": "theirs"}
    assert catalog.texts(collection, 1) == {}


def test_a_document_that_only_waits_is_purged_before_the_first_version(
    catalog: Catalog, collection: Collection
) -> None:
    receipt = catalog.submit(put("a", SECRET))
    catalog.publications.rewrite(catalog.rewriting(collection, purged="a"))
    assert SECRET not in dump(catalog)
    assert catalog.states(receipt.job_id) == {State.CANCELLED: 1}


def test_a_purge_leaves_no_trace_in_the_files_of_sqlite(
    catalog: Catalog, collection: Collection, database_url: str
) -> None:
    if not catalog.database.sqlite:
        pytest.skip("PostgreSQL overwrites what it deleted at its next VACUUM")
    for number in range(3):
        catalog.index(put("a", f"{SECRET} {number} " * 1000), *(put(f"b{n}") for n in range(20)))
    path = Path(database_url.removeprefix("sqlite:///"))
    files = [path, path.with_name(f"{path.name}-wal")]
    assert any(SECRET.encode() in file.read_bytes() for file in files)

    catalog.publications.rewrite(catalog.rewriting(collection, purged="a"))

    for file in files:
        assert SECRET.encode() not in file.read_bytes()
        assert b"Title of a" not in file.read_bytes()
