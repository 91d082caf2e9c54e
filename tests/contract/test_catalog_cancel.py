"""What every catalog promises of a job that is cancelled."""

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
from sqlalchemy import select

from shared.catalog.tables import DocumentRow, FlowRow
from shared.domain import Collection, Lane, State
from shared.errors import DocumentNotFound, JobNotFound
from tests.contract.catalogs import Catalog, gone, put, puts, submission


@pytest.fixture(autouse=True)
def collection(catalog: Catalog) -> Collection:
    return catalog.collection()


def external_version(catalog: Catalog, name: str) -> int | None:
    with catalog.database.read() as tx:
        return tx.scalar(
            select(DocumentRow.external_version).where(DocumentRow.external_id == name)
        )


def test_what_waits_is_cancelled_and_what_is_held_runs_to_its_end(catalog: Catalog) -> None:
    receipt = catalog.submit(*puts(5))
    other = catalog.submit(put("other"))
    claim = catalog.must_claim(max_documents=2)

    assert catalog.claims.cancel(receipt.job_id) == 3

    assert catalog.states(receipt.job_id) == {State.CLAIMED: 2, State.CANCELLED: 3}
    assert not catalog.records.job(receipt.job_id).finished
    catalog.publish(claim)
    job = catalog.records.job(receipt.job_id)
    assert job.counts == {State.INDEXED: 2, State.CANCELLED: 3}
    assert job.finished
    assert [one.document for one in job.warnings] == ["d2", "d3", "d4"]
    assert {one.message for one in job.warnings} == {"Cancelled before a worker had taken it."}
    assert job.errors == ()
    assert [one.external_id for one in catalog.must_claim().revisions] == ["other"]
    assert catalog.records.job(other.job_id).cancelled_at is None


def test_it_is_said_when_a_job_was_cancelled_first(catalog: Catalog) -> None:
    receipt = catalog.submit(*puts(2))
    assert catalog.records.job(receipt.job_id).cancelled_at is None
    before = catalog.roster.now()

    assert catalog.claims.cancel(receipt.job_id) == 2
    first = catalog.records.job(receipt.job_id).cancelled_at
    assert catalog.claims.cancel(receipt.job_id) == 0

    assert first is not None
    assert before <= first <= catalog.roster.now()
    assert catalog.records.job(receipt.job_id).cancelled_at == first
    assert catalog.states(receipt.job_id) == {State.CANCELLED: 2}


def test_a_job_that_nobody_knows_cannot_be_cancelled(catalog: Catalog) -> None:
    with pytest.raises(JobNotFound, match="nonsense"):
        catalog.claims.cancel("nonsense")


def test_a_finished_job_stays_as_it_is(catalog: Catalog, collection: Collection) -> None:
    receipt = catalog.submit(put("a"))
    catalog.index_all()

    assert catalog.claims.cancel(receipt.job_id) == 0

    assert State.CANCELLED not in catalog.states(receipt.job_id)
    assert catalog.texts(collection, 1) == {"a": "some text"}


def test_what_is_given_back_after_that_waits_again_and_can_be_cancelled_again(
    catalog: Catalog,
) -> None:
    receipt = catalog.submit(*puts(2))
    claim = catalog.must_claim(max_documents=1)
    assert catalog.claims.cancel(receipt.job_id) == 1
    catalog.claims.release(claim.id, delay_seconds=0, reason="x")

    assert catalog.states(receipt.job_id) == {State.PENDING: 1, State.CANCELLED: 1}
    assert catalog.claims.cancel(receipt.job_id) == 1
    assert catalog.claim() is None


def test_held_documents_can_be_cancelled(catalog: Catalog) -> None:
    held = catalog.inbox.accept(submission(*puts(2)), hold_seconds=3600)
    assert catalog.claims.cancel(held.job_id) == 2
    assert catalog.claims.claim_job(held.job_id, "w", max_documents=9, lease_seconds=9) is None


def test_the_same_content_is_new_when_it_is_sent_again(
    catalog: Catalog, collection: Collection
) -> None:
    catalog.index(put("a", "first"))
    catalog.claims.cancel(catalog.submit(put("a", "second"), put("b", "new")).job_id)

    again = catalog.submit(put("a", "second"), put("b", "new"))
    assert again.documents == (("a", State.PENDING), ("b", State.PENDING))
    catalog.index_all()

    assert catalog.texts(collection, 2) == {"a": "second", "b": "new"}


def test_what_is_live_is_unchanged_once_nothing_else_waits(catalog: Catalog) -> None:
    catalog.index(put("a", "first"))
    catalog.claims.cancel(catalog.submit(put("a", "second")).job_id)
    assert catalog.submit(put("a", "first")).documents == (("a", State.UNCHANGED),)


def test_the_same_external_version_is_not_ignored_when_it_is_sent_again(
    catalog: Catalog, collection: Collection
) -> None:
    catalog.index(put("a", "five", version=5))
    catalog.claims.cancel(
        catalog.submit(put("a", "seven", version=7), put("b", "one", version=1)).job_id
    )

    assert external_version(catalog, "a") == 5, "[cancelled] its external version still counts"
    assert external_version(catalog, "b") is None
    late = catalog.submit(put("a", "four", version=4))
    again = catalog.submit(put("a", "seven", version=7), put("b", "one", version=1))

    assert late.documents == (("a", State.SUPERSEDED),)
    assert again.documents == (("a", State.PENDING), ("b", State.PENDING)), (
        "[cancelled] the same external version was ignored"
    )
    catalog.index_all()
    assert catalog.texts(collection, 2) == {"a": "seven", "b": "one"}


def test_external_versions_of_other_jobs_still_count(catalog: Catalog) -> None:
    catalog.index(put("a", "five", version=5))
    older = catalog.submit(put("a", "six", version=6))
    newer = catalog.submit(put("a", "seven", version=7))

    catalog.claims.cancel(older.job_id)
    assert external_version(catalog, "a") == 7
    assert catalog.submit(put("a", "six", version=6)).documents == (("a", State.SUPERSEDED),)
    third = catalog.submit(put("a", "eight", version=8))
    catalog.claims.cancel(third.job_id)
    assert external_version(catalog, "a") == 7
    catalog.claims.cancel(newer.job_id)
    assert external_version(catalog, "a") == 5


def test_an_external_version_that_a_worker_holds_or_found_unchanged_counts(
    catalog: Catalog,
) -> None:
    catalog.index(put("a", "five", version=5))
    catalog.submit(put("a", "five", version=6))  # unchanged
    held = catalog.submit(put("b", "held", version=3))
    catalog.must_claim()
    job = catalog.submit(put("a", "seven", version=7), put("b", "more", version=4))

    catalog.claims.cancel(job.job_id)
    catalog.claims.cancel(held.job_id)

    assert external_version(catalog, "a") == 6
    assert external_version(catalog, "b") == 3


def test_a_delete_that_is_cancelled_deletes_nothing(
    catalog: Catalog, collection: Collection
) -> None:
    catalog.index(put("a"))
    job = catalog.submit(gone("a"))

    assert catalog.claims.cancel(job.job_id) == 1

    catalog.index(put("b"))
    assert catalog.texts(collection, 2).keys() == {"a", "b"}
    assert catalog.records.document("c", "a").state is State.INDEXED
    assert catalog.submit(gone("a")).documents == (("a", State.PENDING),)


def test_a_document_of_which_all_was_cancelled_is_shown_as_such_and_is_not_there_to_delete(
    catalog: Catalog,
) -> None:
    catalog.claims.cancel(catalog.submit(put("never")).job_id)
    catalog.index(put("deleted"))
    catalog.index(gone("deleted"))
    catalog.claims.cancel(catalog.submit(put("deleted", "again")).job_id)

    assert catalog.records.document("c", "never").state is State.CANCELLED
    with pytest.raises(DocumentNotFound):
        catalog.records.document("c", "deleted")
    for name in ("never", "deleted"):
        with pytest.raises(DocumentNotFound):
            catalog.submit(gone(name))


def test_what_is_live_is_shown_rather_than_what_was_cancelled(catalog: Catalog) -> None:
    catalog.index(put("a", "live"))
    catalog.claims.cancel(catalog.submit(put("a", "cancelled")).job_id)

    shown = catalog.records.document("c", "a")

    assert (shown.state, shown.text) == (State.INDEXED, "live")


def test_an_older_revision_that_waits_is_indexed_when_a_newer_one_is_cancelled(
    catalog: Catalog, collection: Collection
) -> None:
    older = catalog.submit(put("a", "older"))
    newer = catalog.submit(put("a", "newer"))
    catalog.claims.cancel(newer.job_id)
    catalog.index_all()
    assert catalog.texts(collection, 1) == {"a": "older"}
    assert catalog.states(older.job_id) == {State.INDEXED: 1}


def test_the_key_stays_with_the_cancelled_job(catalog: Catalog) -> None:
    first = catalog.submit(put("a"), key="k", content="x")
    catalog.claims.cancel(first.job_id)

    again = catalog.submit(put("a"), key="k", content="x")

    assert (again.job_id, again.repeated) == (first.job_id, True)
    assert again.documents == (("a", State.CANCELLED),)
    assert catalog.claim() is None


def test_the_text_of_what_was_cancelled_is_let_go(catalog: Catalog, collection: Collection) -> None:
    catalog.claims.cancel(catalog.submit(put("a", "secret")).job_id)
    assert catalog.versions.forget(collection.id, limit=10) == 1
    with catalog.database.read() as tx:
        assert tx.exec_driver_sql("SELECT text FROM revisions").scalars().all() == [""]


def finish(catalog: Catalog, producer: str) -> int:
    with catalog.database.read() as tx:
        return tx.execute(select(FlowRow.finish).where(FlowRow.producer == producer)).scalar_one()


def test_a_producer_gets_back_its_share_of_what_it_cancels(catalog: Catalog) -> None:
    def send(producer: str, count: int, prefix: str) -> str:
        sent = submission(*puts(count, prefix), lane=Lane.BULK)
        return catalog.send(replace(sent, producer=producer)).job_id

    first = send("a", 5, "a")
    before = finish(catalog, "a")
    wrong = send("a", 300, "wrong")
    second = send("b", 20, "b")

    catalog.claims.cancel(wrong)
    assert finish(catalog, "a") == before, "[fair] charged for what it cancelled"
    send("a", 5, "c")

    held = [catalog.must_claim(max_documents=1).revisions[0].external_id for _ in range(20)]
    assert [name for name in held if name[0] == "a"] == [f"a{n}" for n in range(5)]
    assert [name for name in held if name[0] == "c"] == [f"c{n}" for n in range(5)]
    catalog.claims.cancel(first)
    catalog.claims.cancel(second)
    send("b", 1, "new")
    assert catalog.must_claim().revisions[0].external_id == "new0"


def test_a_producers_later_jobs_keep_their_places(catalog: Catalog) -> None:
    jobs = [catalog.submit(*puts(3, f"{n}-")).job_id for n in range(3)]
    before = finish(catalog, "")

    catalog.claims.cancel(jobs[1])

    assert finish(catalog, "") == before
    order = [one.external_id for one in catalog.must_claim().revisions]
    assert order == [f"{n}-{m}" for n in (0, 2) for m in range(3)]


def test_cancelling_races_with_claims_submissions_and_itself(catalog: Catalog) -> None:
    """Every document is cancelled or claimed, never both, and nothing is counted twice."""
    for turn in range(6):
        names = [f"{turn}-{number}" for number in range(60)]
        job = catalog.submit(*(put(name, version=1) for name in names)).job_id
        barrier = threading.Barrier(5)

        def claim(worker: str, barrier: threading.Barrier = barrier) -> list[int]:
            barrier.wait(timeout=30)
            held: list[int] = []
            for _ in range(10):
                if taken := catalog.claim(worker, max_documents=3):
                    held += [one.id for one in taken.revisions]
            return held

        def cancel(job: str = job, barrier: threading.Barrier = barrier) -> int:
            barrier.wait(timeout=30)
            return catalog.claims.cancel(job)

        def resend(
            names: list[str] = names, barrier: threading.Barrier = barrier
        ) -> dict[str, State]:
            barrier.wait(timeout=30)
            sent = (put(name, version=1) for name in reversed(names))
            return dict(catalog.submit(*sent, lane=Lane.REBUILD).documents)

        with ThreadPoolExecutor(5) as pool:
            claims = [pool.submit(claim, f"host:{turn}{n}") for n in range(2)]
            cancels = [pool.submit(cancel) for _ in range(2)]
            sent = pool.submit(resend)
            held = [number for one in claims for number in one.result(timeout=60)]
            cancelled = sum(one.result(timeout=60) for one in cancels)
            resent = sent.result(timeout=60)

        counts = catalog.records.job(job).counts
        assert counts.get(State.CANCELLED, 0) == cancelled
        assert counts.get(State.CLAIMED, 0) == 60 - cancelled
        assert len(set(held)) == len(held)
        assert set(resent.values()) <= {State.PENDING, State.SUPERSEDED}
        for worker in ("0", "1"):
            catalog.claims.give_up(f"host:{turn}{worker}", delay_seconds=0, reason="x")
        catalog.claims.cancel(job)
        for one in catalog.records.jobs(limit=3):
            catalog.claims.cancel(one.id)
        assert catalog.claim() is None
