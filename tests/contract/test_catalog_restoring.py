"""What every catalog promises of restoring an old version."""

from dataclasses import replace

import pytest

from shared.domain import Collection, State, VersionKind
from shared.errors import (
    DocumentNotFound,
    Fenced,
    VersionConflict,
    VersionExpired,
    VersionNotFound,
)
from tests.contract.catalogs import Catalog, gone, put, puts
from tests.refusals import refused


@pytest.fixture(autouse=True)
def collection(catalog: Catalog) -> Collection:
    return catalog.collection()


def test_a_restore_makes_the_head_equal_to_the_old_version(
    catalog: Catalog, collection: Collection
) -> None:
    catalog.index(put("changed", "one"), put("deleted", "two"), put("same", "three"))
    catalog.index(put("changed", "other"), put("new"), gone("deleted"))
    before = catalog.reading.counter()

    head = catalog.restore(collection, 1)

    assert head.version == 3
    assert catalog.reading.counter() > before
    assert catalog.texts(collection, 3) == catalog.texts(collection, 1)
    assert catalog.texts(collection, 1) == {"changed": "one", "deleted": "two", "same": "three"}
    assert set(catalog.texts(collection, 2)) == {"changed", "new", "same"}
    vectors = [list(catalog.versions.live_vectors(collection.id, one)) for one in (1, 2, 3)]
    assert vectors[0] == vectors[2] != vectors[1]
    report = catalog.records.version("c", 3)
    assert (report.kind, report.restored, report.parent) == (VersionKind.RESTORE, 1, 2)
    assert (report.documents, catalog.records.version("c", 1).documents) == (3, 3)


def test_a_restore_only_adds_intervals(catalog: Catalog, collection: Collection) -> None:
    catalog.index(put("a", "one"))
    catalog.index(put("a", "two"))
    catalog.restore(collection, 1)
    catalog.restore(collection, 2)
    catalog.restore(collection, 2)

    with catalog.database.read() as tx:
        rows = tx.exec_driver_sql(
            "SELECT from_version, to_version FROM liveness ORDER BY from_version"
        ).all()
    assert [tuple(one) for one in rows] == [(1, 2), (2, 3), (3, 4), (4, None)]
    said = [catalog.texts(collection, one)["a"] for one in range(1, 6)]
    assert said == ["one", "two", "one", "two", "two"]


def test_later_revisions_are_withdrawn_and_come_back_with_their_version(
    catalog: Catalog, collection: Collection
) -> None:
    first = catalog.submit(put("a", "one"))
    catalog.index_all()
    second = catalog.submit(put("a", "two"), put("b"))
    catalog.index_all()

    catalog.restore(collection, 1)

    assert catalog.states(first.job_id) == {State.INDEXED: 1}
    assert catalog.states(second.job_id) == {State.WITHDRAWN: 2}, "[withdrawn] after a restore"
    shown = catalog.records.document("c", "a")
    assert (shown.state, shown.text, shown.version) == (State.INDEXED, "one", 1)
    shown = catalog.records.document("c", "b")
    assert (shown.state, shown.text) == (State.WITHDRAWN, "some text")

    catalog.restore(collection, 2)

    assert catalog.states(second.job_id) == {State.INDEXED: 2}
    assert catalog.records.document("c", "a").text == "two"


def test_a_revision_revived_and_replaced_again_by_an_older_one_is_withdrawn(
    catalog: Catalog, collection: Collection
) -> None:
    """Its first version is not above the restored one; its place in the order is."""
    catalog.index(put("a", "one"))
    second = catalog.submit(put("a", "two"))
    catalog.index_all()
    for version in (1, 2, 3):
        catalog.restore(collection, version)

    assert catalog.texts(collection, 5) == {"a": "one"}
    assert catalog.states(second.job_id) == {State.WITHDRAWN: 1}
    assert catalog.records.document("c", "a").text == "one"


def test_what_said_the_same_as_a_withdrawn_revision_is_withdrawn_with_it(
    catalog: Catalog, collection: Collection
) -> None:
    catalog.index(put("a", "one"), put("b", "kept"))
    catalog.index(put("a", "two"))
    same = catalog.submit(put("a", "two"), put("b", "kept"))
    assert catalog.states(same.job_id) == {State.UNCHANGED: 2}

    catalog.restore(collection, 1)

    assert catalog.states(same.job_id) == {State.WITHDRAWN: 1, State.UNCHANGED: 1}
    shown = catalog.records.document("c", "a")
    assert (shown.state, shown.text) == (State.INDEXED, "one")
    assert catalog.records.document("c", "b").text == "kept"


def test_a_deleted_document_comes_back_and_can_be_deleted_again(
    catalog: Catalog, collection: Collection
) -> None:
    catalog.index(put("a"))
    catalog.index(gone("a"))
    catalog.restore(collection, 1)

    assert catalog.records.document("c", "a").state is State.INDEXED
    catalog.index(gone("a"))
    assert catalog.texts(collection, 4) == {}
    with pytest.raises(DocumentNotFound):
        catalog.records.document("c", "a")


def test_a_document_that_did_not_exist_yet_cannot_be_deleted_after_a_restore(
    catalog: Catalog, collection: Collection
) -> None:
    catalog.index(put("a"))
    catalog.restore(collection, 0)
    with pytest.raises(DocumentNotFound):
        catalog.submit(gone("a"))
    assert catalog.records.version("c", 2).documents == 0
    assert catalog.index(put("a")) == 3
    assert catalog.texts(collection, 3) == {"a": "some text"}


def test_sending_the_restored_content_is_unchanged_and_the_withdrawn_is_indexed_again(
    catalog: Catalog, collection: Collection
) -> None:
    catalog.index(put("a", "one"))
    catalog.index(put("a", "two"))
    catalog.restore(collection, 1)

    same = catalog.submit(put("a", "one"))
    assert catalog.states(same.job_id) == {State.UNCHANGED: 1}
    catalog.index(put("a", "two"))
    assert catalog.texts(collection, 4) == {"a": "two"}


def test_what_waits_publishes_on_top_of_a_restore(catalog: Catalog, collection: Collection) -> None:
    catalog.index(put("a", "one"))
    catalog.index(put("a", "two"), put("b"))
    pending = catalog.submit(put("a", "three"))
    claim = catalog.must_claim()
    other = catalog.submit(put("b", "more"))

    catalog.restore(collection, 1)

    assert catalog.states(pending.job_id) == {State.CLAIMED: 1}
    assert catalog.states(other.job_id) == {State.PENDING: 1}
    catalog.publish(claim)
    catalog.index_all()
    assert catalog.texts(collection, 5) == {"a": "three", "b": "more"}
    assert catalog.records.document("c", "a").text == "three"


def test_an_older_revision_still_claimed_may_publish_after_a_restore(
    catalog: Catalog, collection: Collection
) -> None:
    """Its document then shows it, and not the withdrawn one with a higher id."""
    catalog.submit(put("a", "older"))
    claim = catalog.must_claim("host:old")
    catalog.index(put("a", "newer"))
    catalog.restore(collection, 0)

    catalog.publish(claim, "host:old")

    assert catalog.texts(collection, 3) == {"a": "older"}
    assert catalog.records.document("c", "a").text == "older"


def test_a_producer_can_send_its_newer_version_again(
    catalog: Catalog, collection: Collection
) -> None:
    catalog.index(put("a", "one", version=1), put("b", "one", version=1))
    catalog.index(put("a", "nine", version=9), put("b", "five", version=5))
    waiting = catalog.submit(put("b", "seven", version=7))
    catalog.restore(collection, 1)

    again = catalog.submit(put("a", "nine", version=9))
    old = catalog.submit(put("a", "x", version=1))
    late = catalog.submit(put("b", "six", version=6))

    assert catalog.states(again.job_id) == {State.PENDING: 1}
    assert catalog.states(old.job_id) == {State.SUPERSEDED: 1}
    assert catalog.states(late.job_id) == {State.SUPERSEDED: 1}, "version 7 waits and was promised"
    catalog.index_all()
    assert catalog.states(waiting.job_id) == {State.INDEXED: 1}
    assert catalog.texts(collection, 4) == {"a": "nine", "b": "seven"}


def test_segments_listed_again_are_segments_of_the_head_again(
    catalog: Catalog, collection: Collection
) -> None:
    catalog.index(put("a"))
    segments = dict(catalog.versions.segments_at(collection.id, 1))
    catalog.restore(collection, 0)
    assert catalog.versions.segments_at(collection.id, 2) == {}
    catalog.restore(collection, 1)
    assert catalog.versions.segments_at(collection.id, 3) == segments
    assert len(segments) == 1


def test_what_was_let_go_never_was_or_was_rewritten_cannot_be_restored(
    catalog: Catalog, collection: Collection
) -> None:
    for name in ("a", "b", "c"):
        catalog.index(put(name))
    expired, rewritten = catalog.restoring(collection, 1), catalog.restoring(collection, 2)
    never = replace(rewritten, restored=77)
    catalog.versions.expire(collection.id, [1])
    other = replace(rewritten, restored_sha256="another")

    with refused(VersionExpired, "[restored] a version that expired"):
        catalog.publications.commit(expired)
    with pytest.raises(VersionNotFound):
        catalog.publications.commit(never)
    with refused(VersionConflict, "[restored] a version that was rewritten since it was read"):
        catalog.publications.commit(other)
    catalog.versions.revoke(rewritten.attempt.id)
    with pytest.raises(Fenced):
        catalog.publications.commit(rewritten)

    assert catalog.head(collection).version == 3
    assert set(catalog.texts(collection, 3)) == {"a", "b", "c"}


def test_only_a_restore_names_a_version_to_restore(
    catalog: Catalog, collection: Collection
) -> None:
    catalog.index(put("a"))
    commit = catalog.restoring(collection, 0)
    with pytest.raises(ValueError, match="restore"):
        catalog.publications.commit(replace(commit, restored=None))


def test_many_documents_are_restored_together(catalog: Catalog, collection: Collection) -> None:
    whole = catalog.index(*puts(1500))
    catalog.index(*(put(f"d{number}", "other") for number in range(0, 1500, 2)))
    head = catalog.restore(collection, whole)
    found = catalog.versions.live_vectors(collection.id, head.version)
    assert list(found) == list(range(1, 1501))
    assert catalog.records.version("c", head.version).documents == 1500
