"""What every catalog promises of what searches and users read, and of its roster."""

from dataclasses import replace

import pytest
from sqlalchemy import update

from shared.catalog.tables import ProcessRow, VersionRow
from shared.domain import ChunkSpan, Outcome, State, VersionKind
from shared.errors import (
    CollectionNotFound,
    DocumentNotFound,
    JobNotFound,
    VersionExpired,
    VersionNotFound,
)
from tests.contract.catalogs import Catalog, put, puts


@pytest.fixture(autouse=True)
def _collection(catalog: Catalog) -> None:
    catalog.collection()


def test_a_passage_is_cut_by_characters_as_python_cuts_them(catalog: Catalog) -> None:
    text = "😀e\u0301 日本語 اختبار\r\n" * 20
    spans = [(0, 1), (1, 3), (5, 5), (3, 40), (len(text) - 4, len(text)), (0, len(text))]
    catalog.submit(put("a", text))
    claim = catalog.must_claim()
    attempt = catalog.publications.register(
        claim.revisions[0].collection_id, vectors=len(spans), claim_id=claim.id, worker="w"
    )
    chunks = tuple(
        ChunkSpan(vector_id=attempt.first_vector_id + number, start=start, end=end, tokens=3)
        for number, (start, end) in enumerate(spans)
    )
    outcome = Outcome(revision=claim.revisions[0], state=State.INDEXED, chunks=chunks)
    head, _ = catalog.publications.base(attempt.collection_id, [])
    catalog.publications.commit(catalog.commit_of(claim, attempt, head, (outcome,)))

    found = catalog.reading.passages([one.vector_id for one in chunks])

    assert {one.passage for one in found.values()} == {text[start:end] for start, end in spans}
    assert catalog.records.document("c", "a").chunks == chunks


def test_passages_of_a_thousand_vectors_come_with_their_documents(catalog: Catalog) -> None:
    catalog.submit(*puts(1100))
    catalog.index_all()

    found = catalog.reading.passages([*range(1, 1101), 5000])

    assert len(found) == 1100
    assert {one.external_id for one in found.values()} == {f"d{n}" for n in range(1100)}
    assert found[1].title == f"Title of {found[1].external_id}"
    assert found[1].metadata == {}
    assert catalog.reading.passages([]) == {}


def test_a_version_that_never_was_is_told_from_one_let_go(catalog: Catalog) -> None:
    catalog.submit(put("a"))
    catalog.index_all()
    with catalog.database.write() as tx:
        tx.execute(update(VersionRow).where(VersionRow.version == 0).values(state="expired"))

    collection = catalog.collections.get("c")
    assert catalog.reading.version(collection.id, 1).version == 1
    with pytest.raises(VersionNotFound):
        catalog.reading.version(collection.id, 2)
    with pytest.raises(VersionExpired):
        catalog.reading.version(collection.id, 0)


def test_the_first_load_is_stamped_once_for_all_versions_up_to_it(catalog: Catalog) -> None:
    receipts = []
    for name in ("a", "b", "c"):
        receipts.append(catalog.submit(put(name)))
        catalog.index_all()
    collection = catalog.collections.get("c")

    waited = catalog.reading.loaded(collection.id, 2)
    first = [one.first_loaded_at for one in catalog.records.versions("c", limit=9)]
    once = catalog.reading.loaded(collection.id, 3)
    never = catalog.reading.loaded(collection.id, 3)
    second = [one.first_loaded_at for one in catalog.records.versions("c", limit=9)]

    assert len(waited) == 2
    assert len(once) == 1
    assert not never
    assert all(0 <= seconds < 60 for seconds in (*waited, *once))
    assert waited[0] >= waited[1], "the second was accepted after the first, and loaded with it"
    assert first[0] is None
    assert None not in first[1:]
    assert second[1:] == first[1:]
    job = catalog.records.job(receipts[1].job_id)
    assert job.first_loaded_at == first[1] is not None
    assert catalog.records.document("c", "b").first_loaded_at == first[1]
    assert (job.published_at or 0) <= (job.first_loaded_at or 0) + 0.002  # the clock's tick


def test_waiting_counts_pending_and_claimed_of_one_collection(catalog: Catalog) -> None:
    catalog.collection("other")
    catalog.submit(*puts(3))
    catalog.submit(put("x"), collection="other")
    catalog.must_claim(max_documents=1)
    assert catalog.reading.waiting(catalog.collections.get("c").id) == 3
    assert catalog.reading.waiting(catalog.collections.get("other").id) == 1


def test_a_job_counts_its_documents_by_state_and_limits_its_issues(catalog: Catalog) -> None:
    receipt = catalog.submit(*puts(5), key="k", content="x")
    claim = catalog.must_claim()
    attempt = catalog.register(claim)
    head, _ = catalog.publications.base(attempt.collection_id, [])
    outcomes = tuple(
        Outcome(
            revision=one, state=State.FAILED, error=f"no {one.external_id}", warnings=("w", "v")
        )
        for one in claim.revisions
    )
    catalog.publications.commit(catalog.commit_of(claim, attempt, head, outcomes))

    job = catalog.records.job(receipt.job_id, issues=3)

    assert (job.collection, job.source, job.key) == ("c", "api", "k")
    assert (job.counts, job.finished, job.version) == ({State.FAILED: 5}, True, None)
    assert [one.message for one in job.errors] == ["no d0", "no d1", "no d2"]
    assert [(one.document, one.message) for one in job.warnings] == [
        ("d0", "w"),
        ("d0", "v"),
        ("d1", "w"),
    ]
    assert catalog.records.jobs(limit=1) == [replace(job, errors=(), warnings=())]


def test_jobs_are_listed_newest_first_and_by_collection(catalog: Catalog) -> None:
    catalog.collection("other")
    first = catalog.submit(put("a"))
    second = catalog.submit(put("a"), collection="other")
    third = catalog.submit(put("b"))

    listed = [one.id for one in catalog.records.jobs(limit=10)]
    of_c = [one.id for one in catalog.records.jobs(limit=10, collection="c")]

    assert set(listed) == {first.job_id, second.job_id, third.job_id}
    assert set(of_c) == {first.job_id, third.job_id}
    assert len(catalog.records.jobs(limit=2)) == 2
    with pytest.raises(CollectionNotFound):
        catalog.records.jobs(limit=1, collection="nowhere")


def test_what_is_not_there_is_not_found(catalog: Catalog) -> None:
    with pytest.raises(JobNotFound):
        catalog.records.job("nope")
    with pytest.raises(DocumentNotFound):
        catalog.records.document("c", "nope")
    with pytest.raises(CollectionNotFound):
        catalog.records.document("nope", "a")
    with pytest.raises(CollectionNotFound):
        catalog.records.versions("nope", limit=1)


def test_a_document_is_told_of_by_its_newest_revision(catalog: Catalog) -> None:
    catalog.submit(put("a", "old"))
    catalog.index_all()
    receipt = catalog.submit(put("a", "new"))

    report = catalog.records.document("c", "a")

    assert (report.state, report.text, report.job_id) == (State.PENDING, "new", receipt.job_id)
    assert (report.version, report.published_at, report.chunks) == (None, None, ())


def test_versions_are_listed_newest_first(catalog: Catalog) -> None:
    for name in ("a", "b"):
        catalog.submit(put(name))
        catalog.index_all()
    listed = catalog.records.versions("c", limit=2)
    assert [(one.version, one.kind, one.documents, one.vectors) for one in listed] == [
        (2, VersionKind.COMMIT, 2, 2),
        (1, VersionKind.COMMIT, 1, 1),
    ]


def test_processes_that_fell_silent_are_not_counted(catalog: Catalog) -> None:
    for process, kind in (("h:1", "worker"), ("h:2", "worker"), ("h:3", "web"), ("h:2", "worker")):
        catalog.roster.beat(process, kind)
    assert catalog.roster.alive(within_seconds=60) == {"worker": 2, "web": 1}
    with catalog.database.write() as tx:
        silent = update(ProcessRow).where(ProcessRow.process == "h:1")
        tx.execute(silent.values(beat_at=catalog.roster.now() - 100))
    assert catalog.roster.alive(within_seconds=60) == {"worker": 1, "web": 1}


def test_the_backlog_knows_its_size_and_age(catalog: Catalog) -> None:
    assert catalog.roster.backlog() == {"pending": 0, "claimed": 0, "oldest": 0.0}
    catalog.submit(*puts(3))
    catalog.must_claim(max_documents=1)
    backlog = catalog.roster.backlog()
    assert (backlog["pending"], backlog["claimed"]) == (2, 1)
    assert 0 <= backlog["oldest"] < 60
