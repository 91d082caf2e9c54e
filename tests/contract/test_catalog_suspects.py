"""What every catalog promises of documents that were in a claim whose worker died."""

import math
from collections.abc import Callable
from itertools import pairwise

import pytest
from sqlalchemy import select, update

from shared.catalog.tables import ClaimRow, RevisionRow
from shared.domain import Claim, Collection, Lane, Outcome, State
from tests.contract.catalogs import RECORD, Catalog, put, puts, settle

MAX_CRASHES = 3


@pytest.fixture(autouse=True)
def collection(catalog: Catalog) -> Collection:
    return catalog.collection()


def names(claim: Claim) -> list[str]:
    return [one.external_id for one in claim.revisions]


def work(catalog: Catalog, poison: set[str], *, max_documents: int = 1000) -> list[list[str]]:
    """Work until nothing waits, each time with a new worker; return the claims it died of."""
    deadly: list[list[str]] = []
    for number in range(100):
        worker = f"host:{number + 100}"
        claim = catalog.claim(worker, max_documents=max_documents)
        if claim is None:
            return deadly
        if poison & set(names(claim)):
            deadly.append(names(claim))
            catalog.die(worker, max_crashes=MAX_CRASHES)
        else:
            catalog.publish(claim, worker)
    raise AssertionError("[suspects] the work never ends")


def rows(catalog: Catalog) -> dict[str, tuple[object, ...]]:
    """Return suspicion, charges and delay of each document's revision."""
    with catalog.database.read() as tx:
        found = tx.exec_driver_sql(
            "SELECT d.external_id, r.suspect_of, r.suspects, r.crashes, r.solo_crashes, "
            "r.delayed_by FROM revisions r JOIN documents d ON d.id = r.document_id"
        ).all()
    return {name: tuple(rest) for name, *rest in found}


def test_a_guilty_document_is_found_by_halves_and_only_it_fails(catalog: Catalog) -> None:
    receipt = catalog.submit(*puts(8))

    deadly = work(catalog, {"d5"})

    assert [len(one) for one in deadly] == [8, 4, 2, 1, 1, 1], "[suspects] halves, then alone"
    job = catalog.records.job(receipt.job_id)
    assert job.counts == {State.FAILED: 1, State.INDEXED: 7}
    assert [(one.document, one.message) for one in job.errors] == [
        ("d5", "Its worker died 3 times while it held this document alone.")
    ]


@pytest.mark.parametrize("count", [2, 3, 7, 33, 512])
def test_a_guilty_document_of_many_is_alone_after_as_many_deaths_as_there_are_halves(
    catalog: Catalog, count: int
) -> None:
    receipt = catalog.submit(*puts(count))
    guilty = f"d{count * 2 // 3}"

    sizes = [len(one) for one in work(catalog, {guilty})]

    deaths = [size for size in sizes if size > 1]
    assert len(deaths) <= math.ceil(math.log2(count)), "[suspects] more deaths than halves"
    assert all(after <= (before + 1) // 2 for before, after in pairwise(sizes))
    assert sizes[len(deaths) :] == [1] * MAX_CRASHES
    assert catalog.states(receipt.job_id) == {State.FAILED: 1, State.INDEXED: count - 1}


def test_of_several_guilty_documents_all_are_found_and_no_innocent_one_fails(
    catalog: Catalog,
) -> None:
    receipt = catalog.submit(*puts(40))
    guilty = {"d0", "d1", "d17", "d39"}

    deadly = work(catalog, guilty)

    job = catalog.records.job(receipt.job_id)
    assert {one.document for one in job.errors} == guilty
    assert job.counts == {State.FAILED: 4, State.INDEXED: 36}
    assert len(deadly) <= len(guilty) * (math.ceil(math.log2(40)) + MAX_CRASHES)


def test_others_never_share_a_claim_with_suspects_and_neither_waits_long_for_the_other(
    catalog: Catalog,
) -> None:
    catalog.submit(*puts(8, "s"))
    catalog.must_claim("host:1")
    catalog.die()
    catalog.submit(*puts(6, "innocent"))

    claims = [catalog.must_claim(f"host:{n}", max_documents=4) for n in range(2, 6)]

    held = [(sorted({name[0] for name in names(one)}), one.closed_by) for one in claims]
    assert held == [
        (["s"], "suspect"),
        (["i"], "documents"),
        (["s"], "suspect"),
        (["i"], "drained"),
    ], "[suspects] one claim of suspects, one of others"
    assert [claim.more for claim in claims] == [True, True, True, False]


def test_suspects_follow_each_other_when_nobody_else_of_their_lane_waits(catalog: Catalog) -> None:
    catalog.submit(*puts(4))
    catalog.must_claim("host:1")
    catalog.die()
    catalog.submit(put("bulk"), lane=Lane.BULK)

    held = [names(catalog.must_claim(f"host:{number}")) for number in range(2, 5)]

    assert held == [["d0", "d1"], ["d2", "d3"], ["bulk"]]


def test_suspects_of_two_deaths_are_not_mixed(catalog: Catalog) -> None:
    catalog.submit(*puts(4, "a"))
    catalog.must_claim("host:1")
    catalog.submit(*puts(4, "b"))
    catalog.must_claim("host:2")
    catalog.die("host:1")
    catalog.die("host:2")

    held = [names(catalog.must_claim(f"host:{number}")) for number in range(3, 7)]

    assert held == [["a0", "a1"], ["a2", "a3"], ["b0", "b1"], ["b2", "b3"]]


def test_a_claim_of_suspects_keeps_to_the_budgets(catalog: Catalog) -> None:
    catalog.submit(*puts(12))
    catalog.must_claim("host:1")
    catalog.die()
    one = len("Title of d0") + len("some text")

    by_documents = catalog.claim("host:2", max_documents=4)
    by_size = catalog.claim("host:3", max_characters=3 * one)
    at_least_one = catalog.claim("host:4", max_characters=1)

    assert by_documents is not None
    assert by_size is not None
    assert at_least_one is not None
    assert names(by_documents) == ["d0", "d1", "d2", "d3"]
    assert names(by_size) == ["d4", "d5", "d6"]
    assert names(at_least_one) == ["d7"]
    assert names(catalog.must_claim("host:5")) == ["d8", "d9", "d10", "d11"]


def test_a_crowd_is_never_charged(catalog: Catalog) -> None:
    receipt = catalog.submit(*puts(2))
    catalog.must_claim("host:1")
    catalog.die(max_crashes=1)

    assert catalog.states(receipt.job_id) == {State.PENDING: 2}, "[surely-alone] two in one claim"
    assert {row[3] for row in rows(catalog).values()} == {0}

    assert len(catalog.must_claim("host:2").revisions) == 1
    catalog.die("host:2", max_crashes=1)
    assert catalog.states(receipt.job_id) == {State.FAILED: 1, State.PENDING: 1}
    assert catalog.records.job(receipt.job_id).errors[0].message == (
        "Its worker died once while it held this document alone."
    )


def test_the_last_of_a_crowd_whose_others_are_published_is_not_charged(catalog: Catalog) -> None:
    catalog.collection("other")
    done = catalog.submit(put("done"))
    left = catalog.submit(put("left"), collection="other")
    claim = catalog.must_claim("host:1")
    assert len(claim.revisions) == 2
    attempt = catalog.register(claim)
    head, live = catalog.publications.base(attempt.collection_id, [])
    first = settle(claim.revisions[:1], attempt.first_vector_id, live)
    catalog.publications.commit(catalog.commit_of(claim, attempt, head, first))

    catalog.die(max_crashes=1)

    assert catalog.states(done.job_id) == {State.INDEXED: 1}
    assert catalog.states(left.job_id) == {State.PENDING: 1}, "[surely-alone] of two, one is done"


def two_at_hand(catalog: Catalog) -> tuple[str, str]:
    """Let one worker hold a bulk document and, within it, an urgent one; return their jobs."""
    outer = catalog.submit(put("bulk"), lane=Lane.BULK).job_id
    assert names(catalog.must_claim("host:1")) == ["bulk"]
    inner = catalog.submit(put("urgent")).job_id
    assert names(catalog.must_claim("host:1")) == ["urgent"]
    return outer, inner


def expire(catalog: Catalog, *claims: int) -> None:
    """Let the leases of these claims run out, and give them back."""
    with catalog.database.write() as tx:
        lease = update(ClaimRow).where(ClaimRow.id.in_(claims))
        tx.execute(lease.values(lease_until=0.0))
    assert catalog.claims.reap(max_crashes=1) == len(claims)


def reap_dead(catalog: Catalog) -> None:
    catalog.die(max_crashes=1)


def reap_both(catalog: Catalog) -> None:
    expire(catalog, 1, 2)


def reap_outer_first(catalog: Catalog) -> None:
    expire(catalog, 1)
    expire(catalog, 2)


def reap_inner_first(catalog: Catalog) -> None:
    expire(catalog, 2)
    expire(catalog, 1)


@pytest.mark.parametrize("reap", [reap_dead, reap_both, reap_outer_first, reap_inner_first])
def test_of_two_claims_that_one_worker_held_none_is_charged(
    catalog: Catalog, reap: Callable[[Catalog], None]
) -> None:
    jobs = two_at_hand(catalog)

    reap(catalog)

    states = [catalog.states(job) for job in jobs]
    assert states == [{State.PENDING: 1}] * 2, "[surely-alone] its worker held another claim"


def test_a_claim_after_or_around_one_that_ended_is_alone(catalog: Catalog) -> None:
    bulk = catalog.submit(put("bulk"), lane=Lane.BULK).job_id
    catalog.must_claim("host:1")
    catalog.index(put("urgent"))
    catalog.die(max_crashes=1)
    assert catalog.states(bulk) == {State.FAILED: 1}

    catalog.submit(put("before"))
    catalog.publish(catalog.must_claim("host:2"), "host:2")
    after = catalog.submit(put("after")).job_id
    catalog.must_claim("host:2")
    catalog.die("host:2", max_crashes=1)
    assert catalog.states(after) == {State.FAILED: 1}


def test_a_worker_that_holds_a_claim_gets_no_suspects(catalog: Catalog) -> None:
    catalog.submit(put("bulk"), put("other"), lane=Lane.BULK)
    assert names(catalog.must_claim("host:2", max_documents=1)) == ["bulk"]
    catalog.submit(put("suspect"))
    catalog.must_claim("host:1")
    catalog.die()

    within = catalog.claim("host:2", max_lane=Lane.INTERACTIVE)

    assert within is None, "[surely-alone] a suspect in a claim within another"
    assert names(catalog.must_claim("host:2")) == ["other"]
    assert names(catalog.must_claim("host:3")) == ["suspect"]


def test_what_its_own_worker_could_not_bear_is_halved_and_fails_with_the_reason(
    catalog: Catalog,
) -> None:
    receipt = catalog.submit(*puts(3))
    reason = "Memory ran out: {0} bytes %s."
    sizes = []
    for number in range(4):
        claim = catalog.must_claim(f"host:{number}")
        sizes.append(len(claim.revisions))
        catalog.claims.accuse(claim.id, reason=reason, max_crashes=2)

    assert sizes == [3, 2, 1, 1]
    job = catalog.records.job(receipt.job_id)
    assert job.counts == {State.FAILED: 1, State.PENDING: 2}
    assert job.errors[0].message == (
        "Its worker could not bear it 2 times while it held this document alone. "
        f"The last time: {reason}"
    )
    assert catalog.records.claims(limit=1)[0]["reason"] == reason


def test_who_accuses_a_claim_too_late_changes_nothing(catalog: Catalog) -> None:
    receipt = catalog.submit(put("a"))
    claim = catalog.must_claim("host:1")
    catalog.die()
    second = catalog.must_claim("host:2")

    catalog.claims.accuse(claim.id, reason="late", max_crashes=1)

    assert catalog.states(receipt.job_id) == {State.CLAIMED: 1}
    assert catalog.publish(second, "host:2").version == 1
    catalog.claims.accuse(second.id, reason="late", max_crashes=1)
    assert catalog.states(receipt.job_id) == {State.INDEXED: 1}


def test_what_is_given_back_says_why(catalog: Catalog) -> None:
    catalog.submit(put("a"))
    told = []
    for number, end in enumerate((release, give_up, accuse, die, lapse)):
        claim = catalog.must_claim(f"host:{number}")
        end(catalog, claim, f"host:{number}")
        told.append(rows(catalog)["a"][4])

    assert told == [
        "disk full",
        "told to stop",
        "no memory",
        "Its worker, host:3, died.",
        "Its worker, host:4, let its lease run out.",
    ]
    assert catalog.records.claims(limit=1)[0]["reason"] == told[-1]


def release(catalog: Catalog, claim: Claim, _worker: str) -> None:
    catalog.claims.release(claim.id, delay_seconds=0, reason="disk full")


def give_up(catalog: Catalog, _claim: Claim, worker: str) -> None:
    catalog.claims.give_up(worker, delay_seconds=0, reason="told to stop")


def accuse(catalog: Catalog, claim: Claim, _worker: str) -> None:
    catalog.claims.accuse(claim.id, reason="no memory", max_crashes=9)


def die(catalog: Catalog, _claim: Claim, worker: str) -> None:
    catalog.claims.reap(worker=worker, max_crashes=9)


def lapse(catalog: Catalog, claim: Claim, _worker: str) -> None:
    catalog.claims.renew(claim.id, -1)
    catalog.claims.reap(max_crashes=9)


@pytest.mark.parametrize("end", [release, give_up])
def test_what_is_no_documents_fault_leaves_suspicion_as_it_was(
    catalog: Catalog, end: Callable[[Catalog, Claim, str], None]
) -> None:
    catalog.submit(*puts(4))
    catalog.must_claim("host:1")
    catalog.die()
    before = {name: row[:4] for name, row in rows(catalog).items()}

    end(catalog, catalog.must_claim("host:2"), "host:2")

    assert {name: row[:4] for name, row in rows(catalog).items()} == before
    assert names(catalog.must_claim("host:3")) == ["d0", "d1"]


def test_a_suspect_that_was_given_back_untried_is_a_suspect_still(catalog: Catalog) -> None:
    catalog.submit(*puts(2))
    catalog.must_claim("host:1")
    catalog.die()
    claim = catalog.must_claim("host:2")
    attempt = catalog.register(claim)
    head, _ = catalog.publications.base(attempt.collection_id, [])
    back = (Outcome(revision=claim.revisions[0], state=State.PENDING),)
    catalog.publications.commit(catalog.commit_of(claim, attempt, head, back))
    catalog.claims.close(claim.id, RECORD)

    again = catalog.must_claim("host:3")

    assert (names(again), again.closed_by) == (["d0"], "suspect")


def test_a_purge_makes_no_suspects(catalog: Catalog, collection: Collection) -> None:
    catalog.submit(put("secret"), *puts(3))
    catalog.must_claim("host:1")

    catalog.publications.rewrite(catalog.rewriting(collection, purged="secret"))

    assert {rows(catalog)[name][:4] for name in ("d0", "d1", "d2")} == {(None, None, 0, 0)}
    assert names(catalog.must_claim("host:2")) == ["d0", "d1", "d2"]


def test_what_a_process_of_the_code_before_gave_back_is_claimed_with_others(
    catalog: Catalog,
) -> None:
    """It counts crashes but knows no suspects; those crash together once more, and are halved."""
    catalog.submit(*puts(2))
    with catalog.database.write() as tx:
        tx.execute(update(RevisionRow).values(crashes=1))
    assert names(catalog.must_claim()) == ["d0", "d1"]


def test_suspects_of_a_job_are_claimed_by_its_importer_as_before(catalog: Catalog) -> None:
    job = catalog.submit(*puts(4)).job_id
    catalog.must_claim("host:1")
    catalog.die()
    claim = catalog.claims.claim_job(job, "importer", max_documents=9, lease_seconds=30)
    assert claim is not None
    assert names(claim) == ["d0", "d1", "d2", "d3"]
    with catalog.database.read() as tx:
        assert tx.scalar(select(ClaimRow.turn).where(ClaimRow.id == claim.id)) is None
