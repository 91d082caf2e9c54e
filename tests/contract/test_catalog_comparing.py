"""What every catalog promises of the contents of versions, and of how two differ."""

import json
from dataclasses import replace

import pytest

from shared.domain import Change, ChunkSpan, Collection, DocumentChange, Metadata
from shared.errors import DocumentNotFound, VersionExpired, VersionNotFound
from tests.contract.catalogs import Catalog, gone, put, puts


@pytest.fixture(autouse=True)
def collection(catalog: Catalog) -> Collection:
    return catalog.collection()


def changes(catalog: Catalog, collection: Collection, before: int, after: int) -> dict[str, Change]:
    found = catalog.versions.diff(collection.id, before, after, limit=100, cursor=None)
    by_kind = [one.change for one in found.changes]
    counted = (found.added, found.changed, found.removed)
    assert counted == tuple(map(by_kind.count, (Change.ADDED, Change.CHANGED, Change.REMOVED)))
    return {one.id: one.change for one in found.changes}


def test_a_diff_says_what_was_added_changed_and_removed(
    catalog: Catalog, collection: Collection
) -> None:
    catalog.index(put("text"), put("title"), put("metadata"), put("same"), put("gone"))
    catalog.index(
        put("text", "other"),
        replace(put("title"), title="Another"),
        replace(put("metadata"), metadata={"year": 1999}),
        put("new"),
        gone("gone"),
    )

    found = catalog.versions.diff(collection.id, 1, 2, limit=10, cursor=None)

    assert (found.collection, found.before, found.after, found.next_cursor) == ("c", 1, 2, None)
    assert (found.added, found.changed, found.removed) == (1, 3, 1)

    def changed(name: str, after: str, *, text: bool, metadata: bool) -> DocumentChange:
        return DocumentChange(
            id=name,
            change=Change.CHANGED,
            title_before=f"Title of {name}",
            title_after=after,
            text_changed=text,
            metadata_changed=metadata,
        )

    assert [one for one in found.changes if one.change is Change.CHANGED] == [
        changed("metadata", "Title of metadata", text=False, metadata=True),
        changed("text", "Title of text", text=True, metadata=False),
        changed("title", "Another", text=True, metadata=False),
    ]
    titles = {one.id: (one.title_before, one.title_after) for one in found.changes}
    assert titles["new"] == (None, "Title of new")
    assert titles["gone"] == ("Title of gone", None)
    assert [one.id for one in found.changes] == ["gone", "metadata", "new", "text", "title"]


def test_a_diff_may_go_back_in_time(catalog: Catalog, collection: Collection) -> None:
    catalog.index(put("a"), put("b"))
    catalog.index(put("c"), gone("a"), put("b", "other"))
    assert changes(catalog, collection, 1, 2) == {
        "a": Change.REMOVED,
        "b": Change.CHANGED,
        "c": Change.ADDED,
    }
    assert changes(catalog, collection, 2, 1) == {
        "a": Change.ADDED,
        "b": Change.CHANGED,
        "c": Change.REMOVED,
    }
    assert changes(catalog, collection, 2, 2) == {}
    assert set(changes(catalog, collection, 0, 2).values()) == {Change.ADDED}


def test_what_came_and_went_between_two_versions_is_no_change(
    catalog: Catalog, collection: Collection
) -> None:
    catalog.index(put("a", "one"), put("tidied"))
    catalog.index(put("a", "two"), put("brief"))
    catalog.index(put("a", "one"), gone("brief"))  # another revision that says the same
    catalog.index(gone("tidied"))
    catalog.index(put("tidied"))
    catalog.tidy(collection)
    assert changes(catalog, collection, 1, 6) == {}
    assert changes(catalog, collection, 2, 6) == {"a": Change.CHANGED, "brief": Change.REMOVED}


def test_a_restored_version_does_not_differ_from_what_it_restored(
    catalog: Catalog, collection: Collection
) -> None:
    catalog.index(put("a", "one"), put("b"))
    catalog.index(put("a", "two"), put("c"))
    catalog.index(gone("b"))
    catalog.restore(collection, 1)
    assert changes(catalog, collection, 1, 4) == {}
    assert changes(catalog, collection, 4, 1) == {}
    assert changes(catalog, collection, 3, 4) == {
        "a": Change.CHANGED,
        "b": Change.ADDED,
        "c": Change.REMOVED,
    }


def test_metadata_in_another_order_of_keys_is_the_same(
    catalog: Catalog, collection: Collection
) -> None:
    catalog.index(replace(put("a", "one"), metadata={"x": 1, "y": 2}))
    catalog.index(replace(put("a", "two"), metadata={"y": 2, "x": 1}))
    catalog.index(replace(put("a", "three"), metadata={"y": 2, "x": True}))
    first = catalog.versions.diff(collection.id, 1, 2, limit=1, cursor=None).changes[0]
    second = catalog.versions.diff(collection.id, 2, 3, limit=1, cursor=None).changes[0]
    assert (first.text_changed, first.metadata_changed) == (True, False)
    assert (second.text_changed, second.metadata_changed) == (True, True)


NAMES = ["B", "a", "b", "Z z", "ä", "Ω", "é", "😀", "10", "9", "a-b", "a_b", "aB", "\ufffd"]


def test_pages_of_a_diff_meet_without_gap_in_the_order_of_code_points(
    catalog: Catalog, collection: Collection
) -> None:
    catalog.index(*(put(name) for name in NAMES))
    seen: list[str] = []
    cursor = None
    for _ in range(20):
        page = catalog.versions.diff(collection.id, 0, 1, limit=4, cursor=cursor)
        assert page.added == len(NAMES)
        seen += [one.id for one in page.changes]
        cursor = page.next_cursor
        if cursor is None:
            break
    assert seen == sorted(NAMES)


def test_documents_of_a_version_come_in_the_order_of_code_points(
    catalog: Catalog, collection: Collection
) -> None:
    catalog.index(*(put(name) for name in NAMES))
    catalog.index(gone("9"), put("a", "other"), put("later"))
    seen: list[str] = []
    after = None
    while page := catalog.versions.documents_at(collection.id, 1, after=after, limit=5):
        seen += [one.id for one in page]
        after = page[-1].id
    assert seen == sorted(NAMES)
    assert "9" not in catalog.texts(collection, 2)
    assert catalog.texts(collection, 0) == {}


def test_a_document_comes_with_all_that_the_version_says_of_it(
    catalog: Catalog, collection: Collection
) -> None:
    metadata: Metadata = {"tags": ["x", None], "n": 1.5}
    catalog.index(replace(put("a", "text", version=3), metadata=metadata))
    catalog.index(put("a", "newer", version=4))
    (old,) = catalog.versions.documents_at(collection.id, 1, after=None, limit=9)
    assert (old.id, old.title, old.text, old.external_version) == ("a", "Title of a", "text", 3)
    assert json.dumps(old.metadata) == json.dumps(metadata)
    assert old.chunks == (ChunkSpan(vector_id=1, start=0, end=4, tokens=7),)


def test_the_live_vectors_of_a_version_are_those_of_its_documents(
    catalog: Catalog, collection: Collection
) -> None:
    other = catalog.collection("other")
    catalog.index(*puts(3))
    catalog.index(put("d1", "other"), gone("d2"))
    catalog.submit(put("x"), collection="other")
    catalog.index_all()
    vectors = [catalog.versions.live_vectors(collection.id, number) for number in range(3)]
    assert [list(one) for one in vectors] == [[], [1, 2, 3], [1, 4]]
    assert {str(one.dtype) for one in vectors} == {"int64"}
    assert list(catalog.versions.live_vectors(other.id, 1)) == [6]


def test_passages_are_given_with_their_whole_text(catalog: Catalog, collection: Collection) -> None:
    catalog.index(put("a", "one"), put("b", "three"))
    assert catalog.versions.passages_of([2, 1, 99]) == {
        1: ("Title of a", "one", 0, 3),
        2: ("Title of b", "three", 0, 5),
    }


def test_every_vector_a_document_ever_had_is_known(
    catalog: Catalog, collection: Collection
) -> None:
    catalog.index(put("a", "one"), put("b"))
    catalog.index(put("a", "two"))
    catalog.index(gone("a"))
    assert set(catalog.versions.vectors_of(collection.id, "a")) >= {1, 3}
    assert 2 not in catalog.versions.vectors_of(collection.id, "a")
    with pytest.raises(DocumentNotFound):
        catalog.versions.vectors_of(collection.id, "nope")


def test_versions_that_are_not_there_cannot_be_compared(
    catalog: Catalog, collection: Collection
) -> None:
    for name in ("a", "b"):
        catalog.index(put(name))
    catalog.versions.expire(collection.id, [1])
    for before, after, error in ((1, 2, VersionExpired), (2, 1, VersionExpired)):
        with pytest.raises(error):
            catalog.versions.diff(collection.id, before, after, limit=1, cursor=None)
    for before, after in ((2, 3), (-1, 2)):
        with pytest.raises(VersionNotFound):
            catalog.versions.diff(collection.id, before, after, limit=1, cursor=None)
