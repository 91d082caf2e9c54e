"""What every catalog promises of documents that are changed, listed, deleted and forgotten."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
from sqlalchemy import func, select

from shared.amending import amendment
from shared.catalog import SqlDocuments, SqlExpiry
from shared.catalog.tables import JobRow, KeyRow, RejectionRow, RevisionRow
from shared.deletions import carry_out, delete_matching
from shared.domain import (
    Collection,
    DocumentFilter,
    Json,
    NewDocument,
    Receipt,
    Rejection,
    State,
)
from shared.domain.filters import FilterLimits
from shared.errors import (
    DocumentNotFound,
    InvalidDocument,
    JobNotFound,
    KeyReused,
    VersionExpired,
    VersionNotFound,
)
from shared.filters import read_text
from tests.contract.catalogs import Catalog, gone, put, submission
from tests.worlds import LIMITS, CountingBell

FILTERS = FilterLimits(characters=1000, nodes=20, values=20)


@pytest.fixture(autouse=True)
def collection(catalog: Catalog) -> Collection:
    return catalog.collection()


def change(catalog: Catalog, name: str, patch: dict[str, Json], key: str | None = None) -> Receipt:
    return catalog.inbox.amend(
        amendment(name, patch, LIMITS, collection="c", source="api", key=key)
    )


def document(name: str, text: str = "some text", **metadata: Json) -> NewDocument:
    return NewDocument(id=name, title=f"Title of {name}", text=text, metadata=metadata)


def test_a_change_is_merged_into_the_newest_revision_and_leaves_the_rest(catalog: Catalog) -> None:
    catalog.index(document("a", keep=1, drop=2, deep={"x": 1, "y": [1]}), document("b"))

    first = change(catalog, "a", {"metadata": {"drop": None, "deep": {"x": None, "z": 3}}})
    # The first waits, and is what the second changes.
    second = change(catalog, "a", {"metadata": {"new": True}, "title": "Other"}, key="k")
    waiting = catalog.records.document("c", "a")
    same = change(catalog, "b", {"metadata": {"none": None}, "text": "some text"})
    catalog.index_all()

    assert waiting.metadata == {"keep": 1, "deep": {"y": [1], "z": 3}, "new": True}
    assert (waiting.title, waiting.text) == ("Other", "some text")
    assert catalog.states(first.job_id) == {State.SUPERSEDED: 1}
    assert catalog.records.document("c", "a").state is State.INDEXED
    assert same.documents == (("b", State.UNCHANGED),)
    # What says nothing new keeps no text, and yet can be changed.
    assert change(catalog, "b", {"metadata": {"x": 1}}).documents == (("b", State.PENDING),)
    assert catalog.records.document("c", "b").text == "some text"
    again = change(catalog, "a", {"metadata": {"new": True}, "title": "Other"}, key="k")
    assert (again.job_id, again.repeated) == (second.job_id, True)
    with pytest.raises(KeyReused):
        change(catalog, "a", {"metadata": {"new": False}}, key="k")


def test_what_cannot_be_changed_is_refused_and_stays(catalog: Catalog) -> None:
    catalog.index(put("a", version=5), put("b"))
    catalog.submit(gone("b"))
    before = catalog.records.jobs(limit=10)

    for name in ("b", "never"):
        with pytest.raises(DocumentNotFound):
            change(catalog, name, {"metadata": {"x": 1}})
    with pytest.raises(InvalidDocument, match="needs a `text` or a `title`"):
        change(catalog, "a", {"text": None, "title": ""})
    with pytest.raises(InvalidDocument, match="larger than"):
        change(catalog, "a", {"metadata": {"x": "x" * LIMITS.metadata_bytes}})
    with pytest.raises(InvalidDocument, match="/id: is not a field"):
        change(catalog, "a", {"id": "c"})
    with pytest.raises(InvalidDocument, match="surrogate"):
        change(catalog, "a", {"metadata": {"\ud800": 1}})
    assert catalog.records.jobs(limit=10) == before
    assert catalog.records.document("c", "a").metadata == {}

    old = change(catalog, "a", {"metadata": {"x": 1}, "external_version": 5})
    assert old.documents == (("a", State.SUPERSEDED),)
    new = change(catalog, "a", {"metadata": {"x": 1}, "external_version": 6})
    assert new.documents == (("a", State.PENDING),)


def test_of_changes_at_once_none_is_lost(catalog: Catalog) -> None:
    catalog.index(document("a"))
    with ThreadPoolExecutor(6) as pool:
        list(pool.map(lambda n: change(catalog, "a", {"metadata": {f"n{n}": n}}), range(6)))

    assert catalog.records.document("c", "a").metadata == {f"n{n}": n for n in range(6)}


def test_documents_are_listed_by_id_state_prefix_warning_version_and_metadata(
    catalog: Catalog, collection: Collection
) -> None:
    documents = SqlDocuments(catalog.database)
    version = catalog.index(
        *(document(f"d{n}", n=n) for n in range(5)), document("é", n=9), document("Z", n=9)
    )
    catalog.index(gone("d0"), document("d1", "newer", n=1, year=2020))
    catalog.submit(document("d2", n=2, odd=True))

    def ids(which: DocumentFilter = DocumentFilter(), limit: int = 2) -> list[str]:  # noqa: B008
        found: list[str] = []
        cursor = None
        while True:
            page = documents.page("c", which, limit=limit, cursor=cursor)
            assert len(page.documents) <= limit
            found += [one.id for one in page.documents]
            cursor = page.next_cursor
            if cursor is None:
                return found

    assert ids() == ids(limit=7) == ["Z", "d1", "d2", "d3", "d4", "é"]
    assert ids(DocumentFilter(state=State.PENDING)) == ["d2"]
    assert ids(DocumentFilter(prefix="d", state=State.INDEXED)) == ["d1", "d3", "d4"]
    assert ids(DocumentFilter(version=version, prefix="d")) == [f"d{n}" for n in range(5)]
    assert ids(DocumentFilter(where=read_text("year = 2020", FILTERS))) == ["d1"]
    assert ids(DocumentFilter(version=version, where=read_text("year = 2020", FILTERS))) == []
    assert ids(DocumentFilter(warned=True)) == []
    # The same content again: it keeps no text of its own, but the list shows what it says.
    catalog.submit(document("d4", n=4))
    (d4,) = documents.page("c", DocumentFilter(prefix="d4"), limit=1).documents
    assert (d4.state, d4.title, d4.metadata) == (State.UNCHANGED, "Title of d4", {"n": 4})
    with pytest.raises(VersionNotFound):
        ids(DocumentFilter(version=99))
    catalog.let_go(collection, version)
    with pytest.raises(VersionExpired):
        ids(DocumentFilter(version=version))


def test_a_delete_by_filter_takes_what_matched_when_it_was_accepted_and_nothing_newer(
    catalog: Catalog,
) -> None:
    documents, bell = SqlDocuments(catalog.database), CountingBell()
    many: dict[str, Json] = {f"v{n}": n for n in range(600)}  # too many to be filed one by one
    catalog.index(
        *(document(f"d{n}", n=n) for n in range(8)),
        replace(document("big"), metadata=many | {"n": 3}),
    )
    catalog.submit(document("d5", "waits", n=5))
    condition = read_text("n >= 2", FILTERS)

    def delete(key: str | None = None) -> Receipt:
        return delete_matching(documents, condition, LIMITS, collection="c", source="api", key=key)

    counted = documents.count("c", condition)
    receipt = delete("k")
    assert delete("k").job_id == receipt.job_id
    assert not catalog.records.job(receipt.job_id).finished
    catalog.submit(document("d6", "newer", n=6))
    catalog.submit(document("d8", n=8))
    while carry_out(documents, bell, limit=2):
        pass
    job = catalog.records.job(receipt.job_id)

    assert counted == (catalog.collections.stats()[0].version, 7)
    assert job.extra == {
        "filter": {">=": [["n"], 2]},
        "version": counted[0],
        "deleted": 5,
        "skipped": 2,
    }
    assert job.counts == {State.PENDING: 5}
    assert bell.rung == 4  # of 7 in steps of 2 each deleted something
    catalog.index_all()
    left = documents.page("c", DocumentFilter(), limit=20).documents
    assert [one.id for one in left] == ["d0", "d1", "d5", "d6", "d8"]
    assert catalog.records.job(receipt.job_id).finished


def test_a_delete_by_filter_that_is_cancelled_goes_no_further(catalog: Catalog) -> None:
    documents = SqlDocuments(catalog.database)
    catalog.index(*(document(f"d{n}", n=n) for n in range(4)))
    condition = read_text("exists(n)", FILTERS)
    receipt = delete_matching(documents, condition, LIMITS, collection="c", source="api")
    assert carry_out(documents, CountingBell(), limit=1)

    assert catalog.claims.cancel(receipt.job_id) == 1

    assert not carry_out(documents, CountingBell(), limit=1)
    job = catalog.records.job(receipt.job_id)
    assert (job.counts, job.finished) == ({State.CANCELLED: 1}, True)
    assert len(documents.page("c", DocumentFilter(), limit=9).documents) == 4


def rows(catalog: Catalog, table: type[KeyRow | JobRow | RejectionRow | RevisionRow]) -> int:
    with catalog.database.read() as tx:
        return tx.scalar(select(func.count()).select_from(table)) or 0


def test_keys_rejections_and_jobs_are_forgotten_but_nothing_that_is_needed(
    catalog: Catalog, collection: Collection
) -> None:
    expiry, documents = SqlExpiry(catalog.database), SqlDocuments(catalog.database)
    first = catalog.submit(put("a"), key="k", content="1")
    catalog.index_all()
    same = catalog.submit(put("a"))
    failed = catalog.submit(put("bad"))
    claim = catalog.must_claim()
    attempt = catalog.register(claim)
    outcome = replace(catalog.fit(claim, attempt).outcomes[0], state=State.FAILED, chunks=())
    commit = replace(catalog.fit(claim, attempt), manifest=None, new_segments=())
    catalog.publications.commit(replace(commit, outcomes=(replace(outcome, error="no"),)))
    waiting = catalog.submit(put("b"))
    rejection = Rejection(source="q", raw=b"{", reason="malformed", detail="It is not JSON.")
    catalog.inbox.take([rejection])
    catalog.versions.forget(collection.id, limit=100)
    revisions = rows(catalog, RevisionRow)

    def expire(seconds: float) -> None:
        place = (0.0, "")
        while True:
            _, found = expiry.expire_jobs(older_than_seconds=seconds, after=place, limit=2)
            if found is None:
                return
            place = found

    expire(60.0)  # nothing is so old
    expire(-60.0)
    assert expiry.expire_keys(older_than_seconds=60.0, limit=9) == 0
    assert expiry.expire_rejections(older_than_seconds=60.0, limit=9) == 0
    # Kept: one with a key, one that waits, one that failed. What said the same is gone.
    kept = {one.id for one in catalog.records.jobs(limit=10)}
    assert kept == {first.job_id, failed.job_id, waiting.job_id}
    with pytest.raises(JobNotFound):
        catalog.records.job(same.job_id)
    assert rows(catalog, RevisionRow) == revisions - 1
    assert catalog.submit(put("a"), key="k", content="1").repeated

    assert expiry.expire_keys(older_than_seconds=-60.0, limit=9) == 1
    assert expiry.expire_rejections(older_than_seconds=-60.0, limit=9) == 1
    expire(-60.0)
    assert {one.id for one in catalog.records.jobs(limit=10)} == {failed.job_id, waiting.job_id}
    assert (rows(catalog, KeyRow), rows(catalog, RejectionRow)) == (0, 0)
    report = catalog.records.document("c", "a")
    assert (report.state, report.text, report.job_id) == (State.INDEXED, "some text", None)
    assert catalog.waiting.whereabouts(None, revision_id=report.revision_id).queued is None
    (line, *_) = documents.page("c", DocumentFilter(), limit=1).documents
    assert (line.id, line.job_id) == ("a", None)
    assert not catalog.send(replace(submission(put("a")), key="k")).repeated
