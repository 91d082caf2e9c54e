"""What every catalog promises when many threads and processes use it at once."""

import threading
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from functools import partial
from itertools import pairwise
from typing import TypeVar

import pytest

from shared.domain import (
    Attempt,
    Chore,
    ChoreKind,
    ChoreState,
    Claim,
    Collection,
    Commit,
    Lane,
    Receipt,
    Rewriting,
    State,
)
from shared.errors import (
    DocumentNotFound,
    Fenced,
    KeyReused,
    LaminaError,
    VersionConflict,
    VersionExpired,
)
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


def passes(work: Callable[[], object], refusal: type[LaminaError]) -> bool:
    """Do *work*; return whether it was not refused."""
    try:
        work()
    except refusal:
        return False
    return True


def lets_go(catalog: Catalog, collection: Collection, version: int) -> bool:
    return version in catalog.versions.expire(collection.id, [version])


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


def test_of_two_that_begin_a_chore_at_once_one_gets_it(
    catalog: Catalog, collection: Collection
) -> None:
    for turn in range(6):

        def begin(number: int) -> Chore | None:
            return catalog.chores.begin(
                collection.id, ChoreKind.MERGE, holder=f"h:{number}", lease_seconds=60
            )

        begun = [one for one in at_once([partial(begin, n) for n in range(6)]) if one]

        assert len(begun) == 1
        if turn % 2:
            catalog.chores.end(begun[0].id, ChoreState.DONE, "")
        else:  # the next ones all find a lease that ran out
            catalog.chores.renew(begun[0].id, lease_seconds=-1, done=0, total=0)


def test_a_version_is_held_or_let_go_but_never_both(
    catalog: Catalog, collection: Collection
) -> None:
    for turn in range(12):
        version = catalog.index(put(f"d{turn}"))
        catalog.index(put(f"e{turn}"))

        wish = (
            partial(catalog.versions.tag, collection.id, version, f"t{version}")
            if turn % 2
            else partial(catalog.versions.hold, collection.id, version, "reader", 60)
        )
        held, went = at_once(
            [partial(passes, wish, VersionExpired), partial(lets_go, catalog, collection, version)]
        )

        assert held is not went
        kept = {one.version: one for one in catalog.versions.kept(collection.id)}[version]
        assert bool(kept.leased or kept.tags) is held
        assert (kept.expired_at is not None) is went


def test_a_version_is_restored_or_let_go_and_its_segments_stay_listed(
    catalog: Catalog, collection: Collection
) -> None:
    catalog.index(put("base"))
    for turn in range(8):
        old = catalog.index(put(f"d{turn}"))
        catalog.index(put(f"e{turn}"))
        commit = catalog.restoring(collection, old)

        restore = partial(catalog.publications.commit, commit)
        restored, went = at_once(
            [partial(passes, restore, VersionExpired), partial(lets_go, catalog, collection, old)]
        )

        assert went
        head = catalog.head(collection)
        assert (head.version == commit.parent.version + 1) is restored
        if restored:
            assert f"d{turn}" in catalog.texts(collection, head.version)


def test_restores_race_with_commits_and_submissions_and_the_catalog_stays_whole(
    catalog: Catalog, collection: Collection
) -> None:
    """What is shown of each document at the end is what the head holds of it."""
    names = [f"d{number}" for number in range(12)]
    catalog.index(*(put(name, "first") for name in names))
    catalog.index(*(put(name, "second") for name in names))

    def write(number: int) -> int:
        for turn in range(6):
            catalog.submit(*(put(name, f"{number} {turn}") for name in names))
            catalog.submit(*(put(name, "first") for name in names))
            if claim := catalog.claim(f"host:{number}"):
                catalog.publish(claim, f"host:{number}")
        return 0

    def restore(number: int) -> int:
        done = 0
        for turn in range(12):
            try:
                catalog.restore(collection, 1 + (turn + number) % 2)
                done += 1
            except VersionConflict:
                continue
        return done

    at_once([partial(write, n) for n in range(2)] + [partial(restore, n) for n in range(2)])
    catalog.index_all()
    head = catalog.restore(collection, 1)

    texts = catalog.texts(collection, head.version)
    assert texts == dict.fromkeys(names, "first")
    for name in names:
        shown = catalog.records.document("c", name)
        assert (shown.text, shown.state) in {
            ("first", State.INDEXED),
            ("first", State.UNCHANGED),
        }
    assert catalog.records.version("c", head.version).documents == len(names)
    assert catalog.roster.backlog()["pending"] == catalog.roster.backlog()["claimed"] == 0


def test_a_submission_judged_by_what_a_restore_takes_away_is_withdrawn_with_it(
    catalog: Catalog, collection: Collection
) -> None:
    """It was told `unchanged`, so after the restore it must not count as live."""
    for turn in range(8):
        old = catalog.index(put("a", f"old {turn}"))
        catalog.index(put("a", f"new {turn}"))
        commit = catalog.restoring(collection, old)

        sent = partial(catalog.submit, put("a", f"new {turn}"))
        restore = partial(catalog.publications.commit, commit)

        works: list[Callable[[], object]] = [sent, restore]
        receipt, _ = at_once(works)

        assert isinstance(receipt, Receipt)
        (state,) = catalog.states(receipt.job_id)
        assert state in (State.WITHDRAWN, State.PENDING)
        expected = "old" if state is State.WITHDRAWN else "new"
        assert catalog.records.document("c", "a").text == f"{expected} {turn}"
        catalog.index_all()


def test_of_a_rewrite_and_a_commit_on_one_head_one_wins(
    catalog: Catalog, collection: Collection
) -> None:
    for turn in range(8):
        catalog.index(put(f"d{turn}"))
        catalog.submit(put(f"e{turn}"))
        claim = catalog.must_claim()
        manifest = catalog.manifests[catalog.head(collection).manifest_sha256]
        commit, rewriting = (
            catalog.fit(claim, catalog.register(claim)),
            catalog.rewriting(collection),
        )
        rewriting = renamed(rewriting, turn)

        publish = partial(catalog.publications.commit, commit)
        rewrite = partial(catalog.publications.rewrite, rewriting)

        published, rewritten = at_once(
            [partial(passes, publish, VersionConflict), partial(passes, rewrite, VersionConflict)]
        )

        assert published is not rewritten
        head = catalog.head(collection)
        assert (head.version > rewriting.heads[-1].version) is published
        assert head.manifest_sha256.startswith("n") is rewritten
        catalog.manifests.setdefault(head.manifest_sha256, manifest)
        if rewritten:
            catalog.publish(claim)


def renamed(rewriting: Rewriting, turn: int) -> Rewriting:
    """Give the new manifests checksums that no other round used."""
    heads = tuple(
        replace(one, manifest_sha256=f"{one.manifest_sha256}-{turn}") for one in rewriting.rewritten
    )
    return replace(rewriting, rewritten=heads)


def test_a_purge_meets_claims_commits_and_reaping_in_any_order(
    catalog: Catalog, collection: Collection
) -> None:
    for turn in range(10):
        catalog.submit(put("secret", f"secret {turn}"), *puts(3, f"d{turn}-"))
        claim = catalog.must_claim("host:1")
        attempt = catalog.register(claim)
        catalog.submit(put("secret", f"more secret {turn}"))

        works: list[Callable[[], object]] = [
            partial(publish_or_be_fenced, catalog, claim, attempt),
            partial(purge, catalog, collection, turn),
            partial(catalog.claims.reap, worker="host:1", max_crashes=99),
            partial(take_and_release, catalog),
        ]
        at_once(works)

        with catalog.database.read() as tx:
            texts = tx.exec_driver_sql("SELECT text FROM revisions").scalars().all()
        assert not [text for text in texts if "secret" in text]
        catalog.index_all()
        assert catalog.roster.backlog()["pending"] == catalog.roster.backlog()["claimed"] == 0
        with pytest.raises(DocumentNotFound):
            catalog.records.document("c", "secret")
        shown = [catalog.records.document("c", f"d{turn}-{n}").state for n in range(3)]
        assert shown == [State.INDEXED] * 3


def publish_or_be_fenced(catalog: Catalog, claim: Claim, attempt: Attempt) -> None:
    with suppress(Fenced):
        while not passes(
            lambda: catalog.publications.commit(catalog.fit(claim, attempt)), VersionConflict
        ):
            continue


def purge(catalog: Catalog, collection: Collection, turn: int) -> None:
    """Purge the document `secret`, whatever races it loses."""
    done = False
    while not done:
        manifest = catalog.manifests.get(catalog.head(collection).manifest_sha256)
        rewriting = renamed(catalog.rewriting(collection, purged="secret"), turn)
        if manifest and rewriting.rewritten:
            catalog.manifests[rewriting.rewritten[-1].manifest_sha256] = manifest
        done = passes(partial(catalog.publications.rewrite, rewriting), VersionConflict)


def take_and_release(catalog: Catalog) -> None:
    if taken := catalog.claim("host:2"):
        catalog.claims.release(taken.id, delay_seconds=0, reason="no")


def test_forgetting_races_with_publishing_and_restoring_and_takes_nothing_that_is_held(
    catalog: Catalog, collection: Collection
) -> None:
    names = [f"d{number}" for number in range(8)]
    catalog.index(*(put(name, "0") for name in names))
    catalog.versions.tag(collection.id, 1, "first")

    def write() -> int:
        for turn in range(12):
            catalog.index(*(put(name, f"turn {turn}") for name in names))
        return 0

    def restore() -> int:
        for _ in range(6):
            with suppress(VersionConflict):
                catalog.restore(collection, 1)
        return 0

    def collect() -> int:
        for _ in range(20):
            old = [one.version for one in catalog.versions.kept(collection.id)][:-2]
            catalog.versions.bury(collection.id, catalog.versions.expire(collection.id, old))
            catalog.versions.forget(collection.id, limit=5)
        return 0

    at_once([write, restore, collect])

    for one in catalog.versions.kept(collection.id):
        texts = catalog.texts(collection, one.version)
        assert set(texts) == set(names)
        assert all(texts.values()), f"version {one.version} lost a text"
        vectors = [
            int(vector) for vector in catalog.versions.live_vectors(collection.id, one.version)
        ]
        assert len(catalog.reading.passages(vectors)) == len(names)
    while catalog.versions.forget(collection.id, limit=100):
        continue
    assert set(catalog.texts(collection, 1).values()) == {"0"}


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
