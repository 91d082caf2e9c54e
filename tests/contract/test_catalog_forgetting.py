"""What every catalog promises of erasing what no kept version holds, and of nothing else."""

from collections.abc import Sequence

import pytest
from sqlalchemy import select

from shared.catalog.publishing import forgetting
from shared.catalog.tables import ChunkRow, DocumentRow, LivenessRow, RevisionRow
from shared.domain import Collection, Outcome, State
from tests.contract.catalogs import RECORD, Catalog, gone, put, puts

FORGOTTEN = ("", "", "{}")


@pytest.fixture(autouse=True)
def collection(catalog: Catalog) -> Collection:
    return catalog.collection()


def said(catalog: Catalog, name: str) -> list[str | None]:
    """Return the texts of all revisions of a document, oldest first; None for forgotten ones."""
    wanted = (
        select(
            RevisionRow.title, RevisionRow.text, RevisionRow.metadata_json, RevisionRow.forgotten
        )
        .join(DocumentRow, DocumentRow.id == RevisionRow.document_id)
        .where(DocumentRow.external_id == name)
        .order_by(RevisionRow.id)
    )
    with catalog.database.read() as tx:
        rows = tx.execute(wanted).all()
    assert all(tuple(row[:3]) == FORGOTTEN for row in rows if row.forgotten)
    return [None if row.forgotten else row.text for row in rows]


def count(catalog: Catalog, table: type[ChunkRow] | type[LivenessRow]) -> int:
    with catalog.database.read() as tx:
        return len(tx.execute(select(table.__table__)).all())


def rewrite_thrice(catalog: Catalog, texts: Sequence[str] = ("one", "two", "three")) -> None:
    for text in texts:
        catalog.index(put("a", text))


def test_what_only_buried_versions_held_is_erased_and_nothing_else(
    catalog: Catalog, collection: Collection
) -> None:
    jobs = [catalog.submit(put("b", "still")).job_id]
    catalog.index_all()
    rewrite_thrice(catalog)
    assert catalog.versions.forget(collection.id, limit=100) == 0
    catalog.versions.expire(collection.id, [2])
    assert catalog.versions.forget(collection.id, limit=100) == 0, "its files are there still"
    vectors = list(catalog.versions.live_vectors(collection.id, 2))
    catalog.versions.bury(collection.id, [2])

    assert catalog.versions.forget(collection.id, limit=100) == 1

    assert said(catalog, "a") == [None, "two", "three"]
    assert said(catalog, "b") == ["still"]
    assert catalog.versions.forget(collection.id, limit=100) == 0
    assert catalog.texts(collection, 3) == {"a": "two", "b": "still"}
    assert catalog.texts(collection, 4) == {"a": "three", "b": "still"}
    assert set(catalog.reading.passages(vectors)) == {1}, "the chunk of b stays"
    assert catalog.versions.passages_of(vectors) == {1: ("Title of b", "still", 0, 5)}
    assert (count(catalog, ChunkRow), count(catalog, LivenessRow)) == (3, 3)
    assert catalog.states(jobs[0]) == {State.INDEXED: 1}
    report = catalog.records.document("c", "a")
    assert (report.text, len(report.chunks)) == ("three", 1)


def test_a_revision_stays_while_any_version_in_its_life_is_kept(
    catalog: Catalog, collection: Collection
) -> None:
    catalog.index(put("a", "one"))
    catalog.index(put("b"))
    catalog.index(put("c"))
    catalog.index(put("a", "two"))
    catalog.versions.tag(collection.id, 2, "keep")
    catalog.let_go(collection, 1, 3)

    assert catalog.versions.forget(collection.id, limit=100) == 0
    assert catalog.texts(collection, 2) == {"a": "one", "b": "some text"}

    catalog.versions.untag(collection.id, "keep")
    catalog.let_go(collection, 2)
    assert catalog.versions.forget(collection.id, limit=100) == 1
    assert said(catalog, "a") == [None, "two"]


def test_a_revision_that_was_restored_stays_though_its_first_life_is_over(
    catalog: Catalog, collection: Collection
) -> None:
    rewrite_thrice(catalog, ("one", "two"))
    catalog.restore(collection, 1)
    catalog.let_go(collection, 1, 2)

    assert catalog.versions.forget(collection.id, limit=100) == 1

    assert said(catalog, "a") == ["one", None]
    assert catalog.texts(collection, 3) == {"a": "one"}
    assert count(catalog, LivenessRow) == 1
    shown = catalog.records.document("c", "a")
    assert (shown.state, shown.text, len(shown.chunks)) == (State.INDEXED, "one", 1)


def test_a_withdrawn_document_is_shown_with_the_text_that_is_left(
    catalog: Catalog, collection: Collection
) -> None:
    catalog.index(put("a", "one"))
    catalog.submit(put("a", "one"))  # unchanged
    catalog.restore(collection, 0)
    assert catalog.records.document("c", "a").text == "one"
    assert catalog.records.document("c", "a").state is State.WITHDRAWN


def test_revisions_that_no_version_ever_held_are_erased_at_once(
    catalog: Catalog, collection: Collection
) -> None:
    catalog.index(put("same", "x"), put("ordered", "new", version=5))
    catalog.submit(put("same", "x"), put("ordered", "old", version=4))
    catalog.submit(put("twice", "early"))
    catalog.submit(put("twice", "late"))
    catalog.index_all()

    assert catalog.versions.forget(collection.id, limit=2) == 2
    assert catalog.versions.forget(collection.id, limit=2) == 1

    assert said(catalog, "same") == ["x", None]
    assert said(catalog, "ordered") == ["new", None]
    assert said(catalog, "twice") == [None, "late"]
    shown = catalog.records.document("c", "same")
    assert (shown.state, shown.title, shown.text) == (State.UNCHANGED, "Title of same", "x")


def fail(catalog: Catalog) -> None:
    """Let all that waits fail."""
    claim = catalog.must_claim()
    attempt = catalog.register(claim)
    head, _ = catalog.publications.base(attempt.collection_id, [])
    outcomes = tuple(
        Outcome(revision=one, state=State.FAILED, error="odd") for one in claim.revisions
    )
    catalog.publications.commit(catalog.commit_of(claim, attempt, head, outcomes))
    catalog.claims.close(claim.id, RECORD)


def test_a_failed_revision_is_erased_once_a_newer_one_has_finished(
    catalog: Catalog, collection: Collection
) -> None:
    catalog.submit(put("a", "bad"), put("b", "bad"))
    fail(catalog)
    assert catalog.versions.forget(collection.id, limit=100) == 0
    catalog.submit(put("a", "better"))
    assert catalog.versions.forget(collection.id, limit=100) == 0, "the newer one waits still"
    catalog.index_all()

    assert catalog.versions.forget(collection.id, limit=100) == 1

    assert said(catalog, "a") == [None, "better"]
    assert said(catalog, "b") == ["bad"]
    assert catalog.records.document("c", "b").error == "odd"


def test_what_waits_or_is_claimed_is_never_erased(catalog: Catalog, collection: Collection) -> None:
    rewrite_thrice(catalog)
    catalog.submit(put("a", "claimed"))
    claim = catalog.must_claim()
    catalog.submit(put("a", "pending"), gone("a"))
    catalog.let_go(collection, 1, 2)
    assert catalog.versions.forget(collection.id, limit=100) == 2
    assert said(catalog, "a") == [None, None, "three", "claimed", "pending", ""]
    catalog.publish(claim)
    assert catalog.texts(collection, 4) == {"a": "claimed"}


def test_a_limit_is_kept_and_the_rest_is_forgotten_later(
    catalog: Catalog, collection: Collection
) -> None:
    other = catalog.collection("other")
    catalog.index(*puts(25))
    catalog.index(*(put(f"d{number}", "other") for number in range(25)))
    catalog.tidy(collection)
    catalog.let_go(collection, 1, 2)

    assert catalog.versions.forget(other.id, limit=10) == 0
    found = [catalog.versions.forget(collection.id, limit=10) for _ in range(4)]

    assert found == [10, 10, 5, 0]
    assert set(catalog.texts(collection, 3).values()) == {"other"}
    assert count(catalog, ChunkRow) == count(catalog, LivenessRow) == 25


def test_looking_for_something_to_forget_reads_no_more_than_there_is(
    catalog: Catalog, collection: Collection
) -> None:
    """Each look goes through a partial index, so that it costs nothing when there is nothing."""
    if not catalog.database.sqlite:
        pytest.skip("PostgreSQL reads small tables whole, whatever indexes there are")
    plans: list[str] = []
    wanted = {"collection": collection.id, "most": 1}
    with catalog.database.read() as tx:
        for statement in (forgetting._NEVER_HELD, forgetting._BURIED):
            query = statement.params(wanted).compile(tx, compile_kwargs={"literal_binds": True})
            rows = tx.exec_driver_sql(f"EXPLAIN QUERY PLAN {query}")
            plans.append(" ".join(str(row[3]) for row in rows))
    assert "ix_revisions_forgettable" in plans[0]
    assert "ix_versions_buried" in plans[1]


def test_less_than_the_limit_means_that_nothing_is_left(
    catalog: Catalog, collection: Collection
) -> None:
    """Also where most of what ended is restored, or ended more than once."""
    whole = catalog.index(*puts(30))
    other = catalog.index(*(put(f"d{number}", "other") for number in range(30)))
    for version in (whole, other, whole):
        catalog.restore(collection, version)
    catalog.let_go(collection, *range(1, 5))

    found: list[int] = []
    while not found or found[-1] == 7:
        found.append(catalog.versions.forget(collection.id, limit=7))

    assert sum(found) == 30
    assert count(catalog, ChunkRow) == count(catalog, LivenessRow) == 30
    assert set(catalog.texts(collection, 5).values()) == {"some text"}
