"""What every catalog promises of claims."""

import time

import pytest

from shared.domain import ClaimRecord, Lane, NewDocument, PassRecord, State
from shared.errors import Fenced
from tests.contract.catalogs import RECORD, Catalog, put, puts, submission


@pytest.fixture(autouse=True)
def _collection(catalog: Catalog) -> None:
    catalog.collection()


def test_an_empty_queue_has_nothing_to_claim(catalog: Catalog) -> None:
    assert catalog.claim() is None


def test_a_claim_says_what_it_holds_and_holds_it_alone(catalog: Catalog) -> None:
    catalog.submit(*puts(3))

    claim = catalog.must_claim()

    assert [one.external_id for one in claim.revisions] == ["d0", "d1", "d2"]
    assert (claim.closed_by, claim.more) == ("drained", False)
    collection = catalog.collections.get("c")
    assert claim.spaces == {collection.id: collection.space}
    assert catalog.claim("host:2") is None


def test_a_claim_takes_the_most_urgent_lane_only_and_oldest_first(catalog: Catalog) -> None:
    catalog.submit(put("bulk"), lane=Lane.BULK)
    catalog.submit(put("rebuild"), lane=Lane.REBUILD)
    catalog.submit(put("first"))
    catalog.submit(put("second"))

    urgent = catalog.must_claim()
    assert [one.external_id for one in urgent.revisions] == ["first", "second"]
    assert urgent.more
    assert catalog.claim(max_lane=Lane.INTERACTIVE) is None
    assert [one.external_id for one in catalog.must_claim().revisions] == ["bulk"]
    last = catalog.must_claim()
    assert [one.lane for one in last.revisions] == [Lane.REBUILD]
    assert not last.more


def test_a_claim_stops_before_the_documents_or_the_characters_are_passed(catalog: Catalog) -> None:
    catalog.submit(*puts(70))

    by_documents = catalog.claim(max_documents=40)
    assert by_documents is not None
    assert (len(by_documents.revisions), by_documents.closed_by) == (40, "documents")
    one = len("Title of d50") + len("some text")
    by_size = catalog.claim(max_characters=10 * one + 1)
    assert by_size is not None
    assert (len(by_size.revisions), by_size.closed_by, by_size.more) == (10, "tokens", True)
    exact = catalog.claim(max_documents=20)
    assert exact is not None
    assert (len(exact.revisions), exact.closed_by, exact.more) == (20, "drained", False)


def test_a_document_larger_than_the_budget_is_claimed_nevertheless(catalog: Catalog) -> None:
    catalog.submit(put("long", "x" * 1000), put("next"))
    claim = catalog.claim(max_characters=10)
    assert claim is not None
    assert [one.external_id for one in claim.revisions] == ["long"]


def test_a_claim_keeps_to_one_encoder_that_the_worker_has(catalog: Catalog) -> None:
    catalog.collection("other", "g" * 64)
    catalog.collection("same")
    catalog.submit(put("g"), collection="other")
    catalog.submit(put("f1"))
    catalog.submit(put("f2"), collection="same")

    assert catalog.claim(fingerprints=["unknown"]) is None
    assert catalog.claim(fingerprints=[]) is None
    first = catalog.claim(fingerprints=["f" * 64, "g" * 64])
    second = catalog.claim(fingerprints=["f" * 64, "g" * 64])

    assert first is not None
    assert second is not None
    assert [one.external_id for one in first.revisions] == ["g"]
    assert first.more
    assert [one.external_id for one in second.revisions] == ["f1", "f2"]
    assert len(second.spaces) == 2


def test_closing_gives_back_what_was_not_finished_and_keeps_the_record(catalog: Catalog) -> None:
    catalog.submit(*puts(2))
    claim = catalog.must_claim()
    record = ClaimRecord(
        documents=2,
        chunks=5,
        passes=(
            PassRecord(rows=3, tokens=30, padded_tokens=40, seconds=0.5),
            PassRecord(rows=2, tokens=10, padded_tokens=10, seconds=0.5),
        ),
        closed_by="tokens",
    )

    catalog.claims.close(claim.id, record)
    catalog.claims.close(claim.id, RECORD)

    kept = catalog.records.claims(limit=5)[0]
    assert kept["state"] == "closed"
    assert kept["closed_by"] == "tokens"
    assert (kept["documents"], kept["chunks"], kept["passes"]) == (2, 5, 2)
    assert (kept["tokens"], kept["tokens_per_second"]) == (40, 40.0)
    assert kept["padding_waste"] == pytest.approx(0.2)
    again = catalog.must_claim()
    assert [one.crashes for one in again.revisions] == [0, 0]
    with pytest.raises(Fenced):
        catalog.claims.renew(claim.id, 30)


def test_releasing_gives_back_after_a_delay_and_counts_no_crash(catalog: Catalog) -> None:
    catalog.submit(*puts(2))
    claim = catalog.must_claim()
    attempt = catalog.register(claim)
    commit = catalog.fit(claim, attempt)

    catalog.claims.release(claim.id, delay_seconds=3600, reason="disk full")

    assert catalog.claim() is None
    with pytest.raises(Fenced):
        catalog.publications.commit(commit)
    assert catalog.records.claims(limit=1)[0]["reason"] == "disk full"
    assert catalog.roster.backlog()["pending"] == 2


def test_a_worker_that_must_stop_gives_up_all_it_holds_and_no_document_is_blamed(
    catalog: Catalog,
) -> None:
    catalog.submit(*puts(3))
    first = catalog.must_claim("host:1", max_documents=1)
    commit = catalog.fit(first, catalog.register(first))
    catalog.must_claim("host:1", max_documents=1)
    other = catalog.must_claim("host:11", max_documents=1)

    given_up = catalog.claims.give_up("host:1", delay_seconds=0, reason="told to stop")

    assert given_up == 2
    assert catalog.claims.give_up("host:1", delay_seconds=0, reason="told to stop") == 0
    with pytest.raises(Fenced):
        catalog.publications.commit(commit)
    again = catalog.must_claim("host:2")
    assert [one.external_id for one in again.revisions] == ["d0", "d1"]
    assert [one.crashes for one in again.revisions] == [0, 0]
    catalog.claims.renew(other.id, 30)


def test_what_was_given_up_with_a_delay_waits_so_long(catalog: Catalog) -> None:
    catalog.submit(put("a"))
    catalog.must_claim("host:1")
    catalog.claims.give_up("host:1", delay_seconds=3600, reason="told to stop")
    assert catalog.claim() is None
    assert catalog.records.claims(limit=1)[0]["reason"] == "told to stop"


def test_a_claim_counts_the_characters_it_holds(catalog: Catalog) -> None:
    catalog.submit(put("a", "x" * 100), put("b", "y" * 50))
    catalog.must_claim()
    titles = len("Title of a") + len("Title of b")
    assert catalog.records.claims(limit=1)[0]["characters"] == 150 + titles


def test_what_was_released_without_delay_is_claimed_again(catalog: Catalog) -> None:
    catalog.submit(*puts(2))
    catalog.claims.release(catalog.must_claim().id, delay_seconds=0, reason="broken pipe")
    assert [one.crashes for one in catalog.must_claim().revisions] == [0, 0]


def test_a_lease_that_ran_out_is_reaped_and_one_that_was_renewed_is_not(catalog: Catalog) -> None:
    catalog.submit(*puts(2))
    lost = catalog.claim("host:1", max_documents=1, lease_seconds=-1)
    kept = catalog.claim("host:2", max_documents=1, lease_seconds=-1)
    assert lost is not None
    assert kept is not None
    catalog.claims.renew(kept.id, 30)

    assert catalog.claims.reap(max_crashes=3) == 1
    assert catalog.claims.reap(max_crashes=3) == 0

    with pytest.raises(Fenced):
        catalog.claims.renew(lost.id, 30)
    catalog.claims.renew(kept.id, 30)
    suspect = catalog.must_claim()
    assert [one.id for one in suspect.revisions] == [lost.revisions[0].id]
    assert suspect.revisions[0].crashes == 1


def test_the_lease_is_measured_by_the_clock_of_the_catalog(catalog: Catalog) -> None:
    catalog.submit(put("a"))
    claim = catalog.claim(lease_seconds=20)
    assert claim is not None
    kept = catalog.records.claims(limit=1)[0]
    lease_until = kept["lease_until"]
    assert isinstance(lease_until, float)
    assert lease_until - catalog.roster.now() == pytest.approx(20, abs=5)
    assert catalog.roster.now() == pytest.approx(time.time(), abs=5)


def test_a_dead_worker_loses_all_its_claims_and_no_other_does(catalog: Catalog) -> None:
    catalog.submit(*puts(3))
    for worker in ("host:1", "host:1", "host:11"):
        catalog.must_claim(worker, max_documents=1)

    assert catalog.claims.reap(worker="host:1", max_crashes=3) == 2
    assert catalog.claims.reap(worker="host:%", max_crashes=3) == 0
    assert catalog.roster.backlog()["claimed"] == 1


def test_a_reaped_claim_that_is_released_or_closed_late_stays_as_it_is(catalog: Catalog) -> None:
    catalog.submit(put("a"))
    claim = catalog.must_claim("host:1")
    catalog.claims.reap(worker="host:1", max_crashes=3)
    second = catalog.must_claim("host:2")

    catalog.claims.close(claim.id, RECORD)
    catalog.claims.release(claim.id, delay_seconds=0, reason="late")

    assert catalog.records.claims(limit=5)[1]["state"] == "revoked"
    assert catalog.publish(second, "host:2").version == 1


def held(catalog: Catalog, *documents: NewDocument, seconds: float = 3600) -> str:
    """Submit documents that no worker shall claim for a while."""
    sent = submission(*documents, collection="c")
    return catalog.inbox.accept(sent, hold_seconds=seconds).job_id


def test_held_documents_are_claimed_by_their_job_alone(catalog: Catalog) -> None:
    job = held(catalog, *puts(5))
    catalog.submit(put("other"))

    assert [one.external_id for one in catalog.must_claim().revisions] == ["other"]
    assert catalog.claim() is None
    first = catalog.claims.claim_job(job, "importer", max_documents=3, lease_seconds=30)
    second = catalog.claims.claim_job(job, "importer", max_documents=3, lease_seconds=30)

    assert first is not None
    assert second is not None
    assert [one.external_id for one in first.revisions] == ["d0", "d1", "d2"]
    assert [one.external_id for one in second.revisions] == ["d3", "d4"]
    assert (first.more, first.closed_by) == (True, "documents")
    assert (second.more, second.closed_by) == (False, "drained")
    space = catalog.collections.get("c").space
    assert first.spaces == {first.revisions[0].collection_id: space}
    assert catalog.claims.claim_job(job, "importer", max_documents=3, lease_seconds=30) is None
    assert catalog.claims.claim_job("no job", "importer", max_documents=3, lease_seconds=30) is None
    catalog.publish(first, "importer")
    assert catalog.states(job) == {State.INDEXED: 3, State.CLAIMED: 2}


def test_a_hold_ends_by_itself(catalog: Catalog) -> None:
    held(catalog, put("a"), seconds=1.0)
    assert catalog.claim() is None
    deadline = time.monotonic() + 20
    while (claim := catalog.claim()) is None and time.monotonic() < deadline:
        time.sleep(0.02)
    assert claim is not None
    assert [one.external_id for one in claim.revisions] == ["a"]


@pytest.mark.parametrize("ending", ["released", "reaped"])
def test_what_its_job_gives_back_stays_held(catalog: Catalog, ending: str) -> None:
    job = held(catalog, put("a"))
    claim = catalog.claims.claim_job(job, "importer", max_documents=3, lease_seconds=30)
    assert claim is not None
    if ending == "released":
        catalog.claims.release(claim.id, delay_seconds=0, reason="x")
    else:
        catalog.claims.reap(worker="importer", max_crashes=3)
    assert catalog.claim() is None
    again = catalog.claims.claim_job(job, "importer", max_documents=3, lease_seconds=30)
    assert again is not None
    assert [one.external_id for one in again.revisions] == ["a"]


def test_a_job_of_thousands_is_claimed_in_one(catalog: Catalog) -> None:
    job = held(catalog, *puts(2500))
    claim = catalog.claims.claim_job(job, "importer", max_documents=9999, lease_seconds=30)
    assert claim is not None
    ids = [one.id for one in claim.revisions]
    assert len(ids) == 2500
    assert ids == sorted(ids)
