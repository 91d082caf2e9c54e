"""What every catalog promises when many threads and processes use it at once."""

import threading
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import pairwise
from typing import TypeVar

import pytest

from shared.domain import Collection, Commit, Lane, Receipt, State
from shared.errors import DocumentNotFound, Fenced, KeyReused, VersionConflict
from tests.contract.catalogs import RECORD, Catalog, gone, put, puts, submission

T = TypeVar("T")


@pytest.fixture(autouse=True)
def collection(catalog: Catalog) -> Collection:
    return catalog.collection()


def at_once(works: Sequence[Callable[[], T]]) -> list[T]:
    """Run every piece of work in its own thread, all released by one barrier."""
    barrier = threading.Barrier(len(works))

    def run(work: Callable[[], T]) -> T:
        barrier.wait(timeout=30)
        return work()

    with ThreadPoolExecutor(len(works)) as pool:
        return list(pool.map(run, works))


def test_six_workers_claim_five_hundred_documents_each_once(catalog: Catalog) -> None:
    catalog.submit(*puts(500))

    def work(worker: str) -> list[int]:
        held: list[int] = []
        while claim := catalog.claim(worker, max_documents=17):
            held += [one.id for one in claim.revisions]
        return held

    held = at_once([partial(work, f"host:{n}") for n in range(6)])

    # A worker may find nothing while another has the rest locked, so look once more.
    held.append(work("host:7"))
    ids = [one for part in held for one in part]
    assert len(ids) == len(set(ids)) == 500


def test_eight_publishers_race_and_no_version_or_outcome_is_lost(
    catalog: Catalog, collection: Collection
) -> None:
    receipt = catalog.submit(*puts(64))
    claims = [catalog.must_claim(f"host:{n}", max_documents=8) for n in range(8)]

    heads = at_once([partial(catalog.publish, one) for one in claims])

    assert sorted(head.version for head in heads) == list(range(1, 9))
    assert catalog.states(receipt.job_id) == {State.INDEXED: 64}
    assert len(catalog.reading.passages(range(1, 100))) == 64
    versions = catalog.records.versions("c", limit=20)
    assert [(one.version, one.documents, one.segments) for one in versions] == [
        (number, 8 * number, number) for number in range(8, -1, -1)
    ]
    assert catalog.head(collection).version == 8


def test_of_commits_on_the_same_head_exactly_one_wins(catalog: Catalog) -> None:
    catalog.submit(*puts(8))
    claims = [catalog.must_claim(f"host:{n}", max_documents=1) for n in range(8)]
    commits = [catalog.fit(one, catalog.register(one)) for one in claims]

    def work(number: int) -> str:
        try:
            catalog.publications.commit(commits[number])
        except VersionConflict:
            return "conflict"
        return "won"

    results = at_once([partial(work, number) for number in range(8)])

    assert Counter(results) == {"won": 1, "conflict": 7}
    assert catalog.reading.waiting(claims[0].revisions[0].collection_id) == 7


def test_a_commit_and_the_reaping_of_its_claim_never_both_happen(catalog: Catalog) -> None:
    for turn in range(12):
        receipt = catalog.submit(put(f"d{turn}", "x" * turn))
        claim = catalog.must_claim("host:1")
        commit = catalog.fit(claim, catalog.register(claim))

        def publish(commit: Commit = commit) -> str:
            try:
                catalog.publications.commit(commit)
            except Fenced:
                return "fenced"
            return "published"

        def reap() -> str:
            catalog.claims.reap(worker="host:1", max_crashes=99)
            return "reaped"

        result, _ = at_once([publish, reap])

        expected = State.INDEXED if result == "published" else State.PENDING
        assert catalog.states(receipt.job_id) == {expected: 1}
        catalog.index_all()
    assert catalog.collections.stats()[0].documents == 12


def test_one_key_sent_by_many_at_once_makes_one_job(catalog: Catalog) -> None:
    receipts = at_once([lambda: catalog.submit(put("a"), key="k", content="x") for _ in range(8)])
    assert len({one.job_id for one in receipts}) == 1
    assert Counter(one.repeated for one in receipts) == {True: 7, False: 1}
    assert len(catalog.must_claim().revisions) == 1


def test_of_one_key_with_two_contents_at_once_one_is_refused(catalog: Catalog) -> None:
    def send(number: int) -> str:
        try:
            return catalog.submit(put(f"d{number}"), key="k", content=str(number % 2)).job_id
        except KeyReused:
            return "refused"

    results = Counter(at_once([partial(send, number) for number in range(8)]))

    assert results["refused"] == 4
    assert len(results) == 2
    entries = catalog.inbox.receipts("k")
    assert Counter(one.status for one in entries) == {"rejected": 4, "accepted": 1}
    assert len(catalog.must_claim().revisions) == 1


def test_submissions_of_the_same_documents_in_any_order_never_block_each_other(
    catalog: Catalog,
) -> None:
    documents = puts(40)

    def send(number: int) -> Receipt:
        turned = documents[number:] + documents[:number]
        return catalog.submit(*(turned if number % 2 else reversed(turned)), lane=Lane.BULK)

    receipts = at_once([partial(send, number) for number in range(8)])
    letters = [submission(one) for one in documents]
    batches = [letters if number % 2 else letters[::-1] for number in range(4)]
    many = at_once([partial(catalog.inbox.take, batch) for batch in batches])

    assert len({one.job_id for one in receipts}) == 8
    assert [len(one) for one in many] == [40] * 4
    assert catalog.roster.backlog()["pending"] == 480


def test_resending_live_content_while_it_is_deleted_ends_with_what_was_sent_last(
    catalog: Catalog,
) -> None:
    """The fast path must not call content live that a waiting delete is about to remove."""
    for turn in range(8):
        name = f"d{turn}"
        catalog.submit(put(name))
        catalog.index_all()

        def delete(name: str = name) -> int:
            catalog.submit(gone(name))
            catalog.index_all()
            return 0

        def resend(name: str = name) -> int:
            catalog.submit(put(name))
            return 0

        at_once([delete, resend])
        catalog.index_all()

        last_wins_live = _last_is_put(catalog, name)
        assert _found(catalog, name) is last_wins_live


def _last_is_put(catalog: Catalog, name: str) -> bool:
    with catalog.database.read() as tx:
        kinds = tx.exec_driver_sql(
            "SELECT r.kind FROM revisions r JOIN documents d ON d.id = r.document_id "
            f"WHERE d.external_id = '{name}' ORDER BY r.id"
        ).all()
    return bool(kinds[-1][0] == "put")


def _found(catalog: Catalog, name: str) -> bool:
    try:
        catalog.records.document("c", name)
    except DocumentNotFound:
        return False
    return True


def test_vector_ids_reserved_at_once_never_overlap(
    catalog: Catalog, collection: Collection
) -> None:
    def reserve() -> list[int]:
        ids: list[int] = []
        for count in range(1, 8):
            attempt = catalog.publications.register(
                collection.id, vectors=count, claim_id=None, worker="w"
            )
            ids += range(attempt.first_vector_id, attempt.first_vector_id + count)
        return ids

    ids = [one for part in at_once([reserve] * 6) for one in part]

    assert sorted(ids) == list(range(1, 6 * 28 + 1))


def test_a_document_never_has_two_live_revisions_while_all_is_in_motion(
    catalog: Catalog,
) -> None:
    """Writers, deleters and workers together; afterwards the intervals must tile the history."""
    names = [f"d{number}" for number in range(6)]

    def write(number: int) -> int:
        for turn in range(12):
            name = names[(turn + number) % len(names)]
            try:
                catalog.submit(gone(name) if turn % 4 == 3 else put(name, f"{turn}-{number % 2}"))
            except DocumentNotFound:
                continue
        return 0

    def work(number: int) -> int:
        for _ in range(15):
            claim = catalog.claim(f"host:{number}", max_documents=4)
            if claim:
                catalog.publish(claim, f"host:{number}")
        return 0

    at_once(
        [partial(write, n) for n in range(3)] + [partial(work, n) for n in range(3)],
    )
    catalog.index_all()

    _check_intervals(catalog)
    assert catalog.roster.backlog()["pending"] == catalog.roster.backlog()["claimed"] == 0


def _check_intervals(catalog: Catalog) -> None:
    with catalog.database.read() as tx:
        rows = tx.exec_driver_sql(
            "SELECT document_id, from_version, to_version, revision_id, kind FROM liveness "
            "ORDER BY document_id, from_version"
        ).all()
        settled = tx.exec_driver_sql(
            "SELECT DISTINCT document_id FROM revisions WHERE state IN ('indexed', 'unchanged')"
        ).scalars()
        documents = set(settled)
    by_document: dict[int, list[tuple[int, int | None, int, str]]] = {}
    for document, *interval in rows:
        by_document.setdefault(document, []).append(tuple(interval))
    for intervals in by_document.values():
        for before, after in pairwise(intervals):
            assert before[1] == after[0], "an interval ends where the next begins"
            assert before[2] < after[2], "a later interval is of a later revision"
        assert intervals[-1][1] is None, "the last interval is open"
    live = sum(1 for intervals in by_document.values() if intervals[-1][3] == "put")
    assert catalog.collections.stats()[0].documents == live
    assert documents == set(by_document)


def test_sixteen_writers_and_readers_are_never_told_that_the_database_is_locked(
    catalog: Catalog, collection: Collection, database_url: str
) -> None:
    """Each with connections of its own, as separate processes have."""
    others = [Catalog(database_url) for _ in range(20)]

    def write(number: int) -> int:
        for turn in range(6):
            others[number].submit(put(f"{number}-{turn}"))
            others[number].roster.beat(f"h:{number}", "web")
        return 6

    def read(number: int) -> int:
        return sum(others[number].reading.waiting(collection.id) >= 0 for _ in range(40))

    done = at_once(
        [partial(write, n) for n in range(16)] + [partial(read, n) for n in range(16, 20)]
    )

    for other in others:
        other.database.close()
    assert sum(done[:16]) == catalog.reading.waiting(collection.id) == 96


def test_readers_do_not_wait_for_a_writer(catalog: Catalog, collection: Collection) -> None:
    counter = catalog.reading.counter()
    with catalog.database.write() as tx:
        tx.exec_driver_sql("UPDATE counters SET value = value + 1")
        assert catalog.reading.counter() == counter
        assert catalog.publications.base(collection.id, [])[0].version == 0
        assert catalog.records.jobs(limit=1) == []
    assert catalog.reading.counter() == counter + 1


def test_a_read_shows_one_snapshot_even_when_a_version_is_published_meanwhile(
    catalog: Catalog,
) -> None:
    catalog.submit(put("a"))
    claim = catalog.must_claim()
    with catalog.database.read() as tx:
        before = tx.exec_driver_sql("SELECT version FROM heads").scalar_one()
        catalog.publish(claim)
        assert tx.exec_driver_sql("SELECT version FROM heads").scalar_one() == before == 0
        assert tx.exec_driver_sql("SELECT count(*) FROM liveness").scalar_one() == 0
    catalog.claims.close(claim.id, RECORD)
