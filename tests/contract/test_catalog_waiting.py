"""What every catalog promises of the work that waits: how much, in which order, with whom."""

from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import event

from shared.catalog.queue import whereabouts
from shared.domain import JobFilter, JobKind, Lane, Load, NewDocument, State, Submission
from shared.errors import JobNotFound
from tests.contract.catalogs import RECORD, Catalog, put, puts, submission


@pytest.fixture(autouse=True)
def _collection(catalog: Catalog) -> None:
    catalog.collection()


def sized(name: str, characters: int) -> NewDocument:
    return NewDocument(id=name, text="x" * characters)


def of(producer: str, *documents: NewDocument, lane: Lane = Lane.BULK) -> Submission:
    return replace(submission(*documents, lane=lane), producer=producer)


def total(catalog: Catalog) -> Load:
    return sum((one.load for one in catalog.waiting.outline().stretches), Load())


def test_the_count_is_of_what_is_not_settled_up_to_a_limit(catalog: Catalog) -> None:
    assert catalog.waiting.count(100) == 0

    catalog.submit(*puts(7))
    catalog.must_claim(max_documents=2)

    assert catalog.waiting.count(100) == 7
    assert catalog.waiting.count(5) == 5

    catalog.submit(*puts(3, "other"))
    catalog.index_all()
    assert catalog.waiting.count(100) == 2


def test_neither_the_count_nor_the_outline_reads_a_revision(catalog: Catalog) -> None:
    """SQLite alone says so for certain; PostgreSQL may read a small table whole."""
    if not catalog.database.sqlite:
        pytest.skip("plans of small tables say nothing on PostgreSQL")
    catalog.submit(*puts(3))
    plans: list[str] = []

    def note(
        _connection: object, _cursor: object, statement: str, parameters: Any, *_: object
    ) -> None:
        if not statement.startswith("EXPLAIN"):
            with catalog.database.glance() as other:
                rows = other.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters)
                plans.extend(str(row[3]) for row in rows)

    with catalog.database.glance() as connection:
        engine = connection.engine
    event.listen(engine, "before_cursor_execute", note)
    catalog.waiting.count(100)
    catalog.waiting.outline()
    catalog.waiting.lanes()
    catalog.waiting.finished(10)
    catalog.waiting.holders()

    reading = [one for one in plans if "revisions" in one]
    assert len(reading) > 3
    assert all("USING COVERING INDEX" in one for one in reading)


def test_the_outline_holds_all_that_waits_in_the_order_of_the_queue(catalog: Catalog) -> None:
    assert catalog.waiting.outline().stretches == ()
    assert catalog.waiting.lanes() == []

    catalog.submit(*(sized(f"b{n}", 10 * n) for n in range(200)), lane=Lane.BULK)
    catalog.submit(sized("a", 5))

    outline = catalog.waiting.outline()
    assert total(catalog) == Load(documents=201, characters=5 + 10 * sum(range(200)))
    assert [one.lane for one in outline.stretches[:2]] == [Lane.INTERACTIVE, Lane.BULK]
    assert len(outline.stretches) > 30
    borders = [(one.lane, one.first, one.end) for one in outline.stretches]
    assert borders == sorted(borders)
    assert all(first < end for _, first, end in borders)
    interactive, bulk = catalog.waiting.lanes()
    assert (interactive.lane, interactive.load) == (
        Lane.INTERACTIVE,
        Load(documents=1, characters=5),
    )
    assert (bulk.lane, bulk.load + interactive.load) == (Lane.BULK, total(catalog))
    assert 0 <= interactive.oldest_seconds <= bulk.oldest_seconds < 60


def test_a_job_has_the_place_of_its_last_document_and_the_claims_of_others(
    catalog: Catalog,
) -> None:
    first = catalog.submit(*(sized(f"a{n}", 100 + n) for n in range(5)))
    second = catalog.submit(sized("b", 7))
    claim = catalog.must_claim(max_documents=2)

    places = catalog.waiting.places([first.job_id, second.job_id, "nowhere"])

    assert set(places) == {first.job_id, second.job_id}
    mine = places[first.job_id]
    assert mine.last is not None
    assert mine.characters == 104
    assert mine.claims == {claim.id}
    other = places[second.job_id]
    assert other.last is not None
    assert other.last > mine.last
    assert other.characters == 7
    assert not other.claims


def test_a_finished_job_has_no_place_and_one_that_is_all_claimed_no_last(
    catalog: Catalog,
) -> None:
    done = catalog.submit(put("a"))
    catalog.index_all()
    held = catalog.submit(put("b"))
    claim = catalog.must_claim()

    places = catalog.waiting.places([done.job_id, held.job_id])

    assert set(places) == {held.job_id}
    assert places[held.job_id].last is None
    assert places[held.job_id].claims == {claim.id}


def test_only_closed_claims_that_encoded_something_are_finished(catalog: Catalog) -> None:
    catalog.submit(*(sized(f"a{n}", 10) for n in range(6)))
    catalog.publish(catalog.must_claim(max_documents=2))
    nothing = catalog.must_claim(max_documents=1)
    catalog.claims.close(nothing.id, replace(RECORD, passes=()))
    given_back = catalog.must_claim(max_documents=1)
    catalog.claims.release(given_back.id, delay_seconds=0, reason="no fault")
    catalog.publish(catalog.must_claim(max_documents=3), "host:2")

    newest, oldest = catalog.waiting.finished(10)

    assert oldest.load.characters == 20
    assert newest.load.characters == 30
    assert oldest.tokens == 30
    assert oldest.claimed_at <= oldest.ended_at <= newest.ended_at
    assert catalog.waiting.finished(1) == [newest]


def test_a_claim_under_way_is_held_until_its_lease_and_then_published(catalog: Catalog) -> None:
    catalog.submit(sized("a", 10), sized("b", 20))
    claim = catalog.must_claim("host:7")

    (holder,) = catalog.waiting.holders()
    assert (holder.id, holder.worker) == (claim.id, "host:7")
    assert holder.load == Load(documents=2, characters=30)
    assert holder.lease_until - holder.claimed_at == pytest.approx(30, abs=0.1)
    assert not holder.publishing

    catalog.register(claim)
    assert catalog.waiting.holders()[0].publishing
    catalog.publish(claim)
    assert catalog.waiting.holders() == []


def test_what_is_before_a_document_is_counted_by_lane_and_producer(catalog: Catalog) -> None:
    catalog.send(of("one", *(sized(f"a{n}", 100) for n in range(3))))
    catalog.send(of("", sized("i", 9), lane=Lane.INTERACTIVE))
    mine = catalog.send(of("two", *(sized(f"b{n}", 100) for n in range(3))))

    found = catalog.waiting.whereabouts(mine.job_id)

    assert found.queued is not None
    assert (found.queued.documents, found.queued.producer) == (3, "two")
    ahead = {(one.lane, one.producer): one.load for one in found.queued.ahead}
    # Turns are fair: of the other producer only what is due before the first of these.
    assert ahead[Lane.INTERACTIVE, ""] == Load(documents=1, characters=9)
    assert (Lane.BULK, "two") not in ahead
    assert found.holders == ()
    assert not found.queued.more_ahead


def test_no_more_than_so_many_are_counted_before_a_document(
    catalog: Catalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(whereabouts, "COUNTED_AHEAD", 5)
    catalog.submit(*puts(10))
    mine = catalog.submit(put("mine"))

    queued = catalog.waiting.whereabouts(mine.job_id).queued

    assert queued is not None
    assert queued.more_ahead
    assert sum(one.load.documents for one in queued.ahead) == 6


def test_one_document_is_told_apart_from_the_others_of_its_job(catalog: Catalog) -> None:
    job = catalog.submit(*puts(4))
    claim = catalog.must_claim(max_documents=1)
    held = catalog.records.document("c", "d0")
    last = catalog.records.document("c", "d3")

    of_held = catalog.waiting.whereabouts(job.job_id, revision_id=held.revision_id)
    of_last = catalog.waiting.whereabouts(job.job_id, revision_id=last.revision_id)

    assert [one.id for one in of_held.holders] == [claim.id]
    assert of_held.queued is None
    assert of_last.holders == ()
    assert of_last.queued is not None
    assert of_last.queued.documents == 1
    assert sum(one.load.documents for one in of_last.queued.ahead) == 2


def test_what_was_given_back_says_until_when_and_why(catalog: Catalog) -> None:
    job = catalog.submit(put("a"))
    claim = catalog.must_claim()
    catalog.claims.release(claim.id, delay_seconds=50, reason="The disk is away.")

    found = catalog.waiting.whereabouts(job.job_id)

    assert found.queued is not None
    assert found.queued.held == 1
    assert found.queued.held_until - found.now == pytest.approx(50, abs=2)
    assert found.queued.delayed_by == "The disk is away."
    assert found.queued.suspects == 0


def test_what_an_import_holds_was_given_back_by_nobody(catalog: Catalog) -> None:
    job = catalog.inbox.accept(submission(put("a")), hold_seconds=40)

    queued = catalog.waiting.whereabouts(job.job_id).queued

    assert queued is not None
    assert (queued.held, queued.delayed_by) == (1, None)


def test_what_a_worker_died_with_is_suspect_in_halves(catalog: Catalog) -> None:
    job = catalog.submit(*puts(8))
    catalog.must_claim("host:9")
    catalog.claims.reap(worker="host:9", max_crashes=3)

    queued = catalog.waiting.whereabouts(job.job_id).queued

    assert queued is not None
    assert (queued.suspects, queued.crashes, queued.group) == (8, 1, 4)


def test_a_superseded_document_names_what_came_before_it(catalog: Catalog) -> None:
    old = catalog.submit(put("a", "old"))
    new = catalog.submit(put("a", "new"))
    catalog.index_all()

    (newer,) = catalog.waiting.whereabouts(old.job_id).newer

    assert (newer.document, newer.job, newer.version) == ("a", new.job_id, 1)
    assert catalog.waiting.whereabouts(new.job_id).newer == ()


def test_nobody_knows_where_a_job_is_that_never_was(catalog: Catalog) -> None:
    with pytest.raises(JobNotFound):
        catalog.waiting.whereabouts("nowhere")


def test_jobs_are_found_by_kind(catalog: Catalog) -> None:
    done = catalog.submit(put("a")).job_id
    catalog.index_all()
    running = catalog.submit(*puts(2, "r")).job_id
    catalog.must_claim(max_documents=1)
    cancelled = catalog.submit(put("c")).job_id
    catalog.claims.cancel(cancelled)
    waiting = catalog.submit(put("w")).job_id

    def found(kind: JobKind) -> set[str]:
        return {job.id for job in catalog.records.jobs(JobFilter(kind=kind), limit=10)}

    assert found(JobKind.WAITING) == {waiting}
    assert found(JobKind.RUNNING) == {running}
    assert found(JobKind.DONE) == {done, cancelled}
    assert found(JobKind.CANCELLED) == {cancelled}
    assert found(JobKind.FAILED) == set()
    assert len(catalog.records.jobs(JobFilter(kind=JobKind.DONE), limit=1)) == 1


def test_a_job_with_a_failed_document_is_found_as_failed(catalog: Catalog) -> None:
    job = catalog.submit(put("a")).job_id
    for worker in ("host:1", "host:2"):
        catalog.must_claim(worker)
        catalog.claims.reap(worker=worker, max_crashes=2)

    assert catalog.states(job) == {State.FAILED: 1}
    (failed,) = catalog.records.jobs(JobFilter(kind=JobKind.FAILED), limit=5)
    assert failed.id == job
