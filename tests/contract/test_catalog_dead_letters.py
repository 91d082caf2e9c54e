"""What every catalog promises of documents that failed and messages that were refused."""

import threading
from collections.abc import Sequence
from dataclasses import replace

import pytest
from sqlalchemy import select, update

from shared.catalog import Database, SqlDeadLetters
from shared.catalog.tables import FlowRow, RejectionRow, RevisionRow
from shared.domain import (
    Collection,
    DeadLetter,
    DeadLetterFilter,
    DeadLetterId,
    DeadLetterKind,
    Lane,
    NewDocument,
    Outcome,
    Receipt,
    Rejection,
    Replay,
    ReplayOutcome,
    State,
    Submission,
)
from shared.errors import DeadLetterNotFound, DocumentNotFound, InvalidRequest
from tests.contract.catalogs import RECORD, Catalog, gone, put, puts, submission
from tests.letters import document, failed, message

WHY = "Its 7th passage is longer than the encoder can read."
EVERYTHING = DeadLetterFilter()


@pytest.fixture(autouse=True)
def collection(catalog: Catalog) -> Collection:
    return catalog.collection()


def fail(catalog: Catalog, *documents: NewDocument, collection: str = "c") -> Receipt:
    """Submit documents, and let a worker say that none of them can be encoded."""
    receipt = catalog.submit(*documents, collection=collection, lane=Lane.BULK)
    claim = catalog.must_claim()
    attempt = catalog.register(claim)
    head, _ = catalog.publications.base(attempt.collection_id, [])
    outcomes = tuple(
        Outcome(revision=one, state=State.FAILED, error=WHY) for one in claim.revisions
    )
    catalog.publications.commit(catalog.commit_of(claim, attempt, head, outcomes))
    catalog.claims.close(claim.id, RECORD)
    return receipt


def refuse(
    catalog: Catalog, *documents: NewDocument, key: str = "k", collection: str = "later"
) -> DeadLetterId:
    """Send documents to a collection that is not there, as a queue does."""
    sent = submission(*documents, key=key, collection=collection, content=key, lane=Lane.BULK)
    raw = b'{"as": "the queue held it"}'
    catalog.inbox.take([replace(sent, source="queue:q", raw=raw)])
    return newest(catalog).id


def listed(catalog: Catalog, which: DeadLetterFilter = EVERYTHING) -> list[str]:
    """Return the ids that *which* finds, newest first, read page by page."""
    found: list[str] = []
    cursor = None
    while True:
        page = catalog.dead_letters.page(which, limit=2, cursor=cursor)
        assert len(page.letters) <= 2
        found += [str(one.id) for one in page.letters]
        cursor = page.next_cursor
        if cursor is None:
            return found


def newest(catalog: Catalog) -> DeadLetter:
    return catalog.dead_letters.page(EVERYTHING, limit=1).letters[0]


def revive(catalog: Catalog, *letters: DeadLetter) -> list[ReplayOutcome]:
    return [one.outcome for one in catalog.dead_letters.revive([one.id.number for one in letters])]


# --- The list ---------------------------------------------------------------------------


def test_what_failed_and_what_was_refused_is_one_list_newest_first(catalog: Catalog) -> None:
    job = fail(catalog, put("first")).job_id
    refuse(catalog, put("second"), key="second")
    fail(catalog, put("third"))
    catalog.index(put("fine"))

    page = catalog.dead_letters.page(EVERYTHING, limit=10)

    third, second, first = page.letters
    assert page.next_cursor is None
    assert (first.id.kind, first.document, first.collection) == (
        DeadLetterKind.DOCUMENT,
        "first",
        "c",
    )
    assert (first.reason, first.detail, first.job_id) == ("failed", WHY, job)
    assert (first.obstacle, first.replayed_at, first.source) == (None, None, "api")
    assert first.failed_at >= first.received_at
    assert (second.id.kind, second.key, second.collection) == (
        DeadLetterKind.MESSAGE,
        "second",
        "later",
    )
    assert (second.reason, second.source, second.document) == (
        "no-such-collection",
        "queue:q",
        None,
    )
    assert third.document == "third"
    assert catalog.dead_letters.count(most=10) == 3
    assert catalog.dead_letters.count(most=2) == 2


def test_a_document_that_ended_its_worker_says_so_by_its_reason(catalog: Catalog) -> None:
    catalog.submit(put("deadly"))
    for _ in range(3):
        catalog.must_claim()
        catalog.die()
    (letter,) = failed(catalog.dead_letters)
    assert letter.reason == "crashed"
    assert letter.detail


def test_a_failure_that_a_newer_revision_made_good_is_no_dead_letter(catalog: Catalog) -> None:
    fail(catalog, put("a"), put("b"))
    catalog.submit(put("a", "newer"))
    assert [one.document for one in failed(catalog.dead_letters)] == ["b"]
    catalog.index_all()
    assert [one.document for one in failed(catalog.dead_letters)] == ["b"]
    fail(catalog, put("b", "again"))
    assert len(failed(catalog.dead_letters)) == 1


@pytest.mark.parametrize(
    ("which", "expected"),
    [
        (DeadLetterFilter(kind=DeadLetterKind.DOCUMENT), {"d0", "d1", "o"}),
        (DeadLetterFilter(kind=DeadLetterKind.MESSAGE), {"k1", "k2"}),
        (DeadLetterFilter(collection="other"), {"o"}),
        (DeadLetterFilter(collection="later"), {"k1"}),
        (DeadLetterFilter(source="queue:q"), {"k1", "k2"}),
        (DeadLetterFilter(reason="failed"), {"d0", "d1", "o"}),
        (DeadLetterFilter(reason="not-json"), {"k2"}),
        (DeadLetterFilter(text="7TH PASSAGE"), {"d0", "d1", "o"}),
        (DeadLetterFilter(text="100%_\\"), {"k2"}),
        (DeadLetterFilter(text="%"), {"k2"}),
        (DeadLetterFilter(collection="c", kind=DeadLetterKind.MESSAGE), set()),
        (DeadLetterFilter(replayed=True), set()),
        (DeadLetterFilter(since=4e9), set()),
        (DeadLetterFilter(until=4e9), {"d0", "d1", "o", "k1", "k2"}),
        (DeadLetterFilter(until=0.0), set()),
    ],
    # The repr of a set is not the same in each process.
    ids=lambda value: None if isinstance(value, set) else repr(value),
)
def test_a_filter_finds_what_all_of_it_is_true_of(
    catalog: Catalog, which: DeadLetterFilter, expected: set[str]
) -> None:
    catalog.collection("other")
    fail(catalog, *puts(2))
    fail(catalog, put("o"), collection="other")
    refuse(catalog, put("x"), key="k1")
    bad = Rejection(source="queue:q", raw=b"?", reason="not-json", detail="a 100%_\\ no", key="k2")
    catalog.inbox.take([bad])

    page = catalog.dead_letters.page(which, limit=10)

    assert {one.document or one.key for one in page.letters} == expected


def test_pages_neither_repeat_nor_pass_over_whatever_comes_and_goes(catalog: Catalog) -> None:
    for number in range(4):
        fail(catalog, put(f"d{number}"))
        refuse(catalog, put("x"), key=f"k{number}")
    whole = listed(catalog)
    assert len(whole) == len(set(whole)) == 8
    first = catalog.dead_letters.page(EVERYTHING, limit=3)
    refuse(catalog, put("x"), key="new")
    catalog.dead_letters.dismiss([first.letters[0].id])
    fail(catalog, put("d-new"))

    rest = catalog.dead_letters.page(EVERYTHING, limit=100, cursor=first.next_cursor)

    assert [str(one.id) for one in (*first.letters, *rest.letters)] == whole
    oldest = catalog.dead_letters.page(EVERYTHING, limit=100, oldest_first=True)
    assert [str(one.id) for one in oldest.letters] == list(reversed(listed(catalog)))


@pytest.mark.parametrize("cursor", ["", "1", "a.b", "1.2.3", "-1.2", "9" * 30 + ".1"])
def test_a_cursor_of_another_list_is_refused(catalog: Catalog, cursor: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        catalog.dead_letters.page(EVERYTHING, limit=1, cursor=cursor)
    assert refused.value.faults[0].pointer == "/cursor"


def test_what_was_handed_in_is_found_by_its_id(catalog: Catalog) -> None:
    sent = replace(put("a", "text\n", version=7), metadata={"ü": [1, {"x": None}]})
    fail(catalog, sent)
    (letter,) = failed(catalog.dead_letters)
    assert catalog.dead_letters.find(letter.id) == (letter, sent)

    refused = refuse(catalog, put("b"))
    found, content = catalog.dead_letters.find(refused)
    assert (found.id, content) == (refused, b'{"as": "the queue held it"}')


@pytest.mark.parametrize("one", [document(999), message(999)])
def test_nothing_is_found_where_nothing_is(catalog: Catalog, one: DeadLetterId) -> None:
    with pytest.raises(DeadLetterNotFound, match=str(one)):
        catalog.dead_letters.find(one)


def test_a_document_that_is_fine_is_no_dead_letter(catalog: Catalog) -> None:
    catalog.index(put("fine"))
    with pytest.raises(DeadLetterNotFound):
        catalog.dead_letters.find(document(1))
    (result,) = catalog.dead_letters.revive([1])
    assert (result.outcome, result.detail) == (ReplayOutcome.SETTLED, "It is indexed.")
    assert catalog.dead_letters.dismiss([document(1)]) == 0
    assert catalog.records.document("c", "fine").state is State.INDEXED


# --- Documents --------------------------------------------------------------------------


def test_a_failed_document_goes_back_with_a_clean_slate_and_is_indexed(catalog: Catalog) -> None:
    catalog.submit(put("deadly", "text of it"), put("other"))
    while catalog.claim():
        catalog.die()
    letters = failed(catalog.dead_letters)
    assert letters

    assert set(revive(catalog, *letters)) == {ReplayOutcome.REPLAYED}

    slate = (
        RevisionRow.crashes,
        RevisionRow.solo_crashes,
        RevisionRow.suspect_of,
        RevisionRow.suspects,
        RevisionRow.error,
        RevisionRow.delayed_by,
        RevisionRow.not_before,
    )
    with catalog.database.read() as tx:
        rows = tx.execute(select(*slate).where(RevisionRow.state == "pending")).all()
    assert {tuple(row) for row in rows} == {(0, 0, None, None, None, None, 0.0)}
    catalog.index_all()
    assert catalog.records.document("c", "deadly").state is State.INDEXED
    assert failed(catalog.dead_letters) == []


def test_replayed_documents_wait_at_the_end_of_their_flow(catalog: Catalog) -> None:
    fail(catalog, put("old1"), put("old2"))
    catalog.submit(put("new"), lane=Lane.BULK)

    revive(catalog, *reversed(failed(catalog.dead_letters)))

    claims = [catalog.must_claim(max_documents=1) for _ in range(3)]
    assert [one.revisions[0].external_id for one in claims] == ["new", "old1", "old2"], "[fair]"
    with catalog.database.read() as tx:
        turns = tx.scalars(select(RevisionRow.turn).order_by(RevisionRow.turn)).all()
        finish = tx.scalar(select(FlowRow.finish))
    assert len(set(turns)) == len(turns), "[fair] each has a turn of its own"
    assert finish is not None
    assert finish > max(turns)


@pytest.mark.parametrize("newer", ["waiting", "published"])
def test_a_document_that_a_newer_revision_overtook_is_superseded(
    catalog: Catalog, newer: str
) -> None:
    fail(catalog, put("a", "old"))
    (letter,) = failed(catalog.dead_letters)
    catalog.submit(put("a", "new"))
    if newer == "published":
        catalog.index_all()

    (result,) = catalog.dead_letters.revive([letter.id.number])

    assert result.outcome is ReplayOutcome.SUPERSEDED, "[order] an older revision came back"
    catalog.index_all()
    assert catalog.records.document("c", "a").text == "new"
    assert catalog.states(letter.job_id or "") == {State.SUPERSEDED: 1}


def test_a_failed_delete_can_be_replayed_too(catalog: Catalog) -> None:
    catalog.index(put("a"))
    fail(catalog, gone("a"))
    assert revive(catalog, *failed(catalog.dead_letters)) == [ReplayOutcome.REPLAYED]
    catalog.index_all()
    with pytest.raises(DocumentNotFound):
        catalog.records.document("c", "a")


def test_a_document_whose_text_was_let_go_cannot_be_replayed_and_says_so(
    catalog: Catalog,
) -> None:
    fail(catalog, put("a"))
    with catalog.database.write() as tx:
        tx.execute(update(RevisionRow).values(forgotten=True, text="", title=""))
    (letter,) = failed(catalog.dead_letters)
    assert letter.obstacle is not None
    assert "let go" in letter.obstacle
    (result,) = catalog.dead_letters.revive([letter.id.number])
    assert (result.outcome, "send the document again" in result.detail) == (
        ReplayOutcome.IMPOSSIBLE,
        True,
    )
    assert catalog.claim() is None


def together(database_url: str, work: Sequence[object]) -> list[Replay]:
    """Run each of *work*, functions of `SqlDeadLetters`, at the same time."""
    results: list[Replay] = []
    start = threading.Barrier(len(work))

    def run(one: object) -> None:
        database = Database(database_url)
        start.wait()
        assert callable(one)
        results.append(one(SqlDeadLetters(database)))
        database.close()

    threads = [threading.Thread(target=run, args=(one,)) for one in work]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results


def test_replayed_twice_at_the_same_time_a_document_is_indexed_once(
    catalog: Catalog, database_url: str
) -> None:
    fail(catalog, put("a"))
    (letter,) = failed(catalog.dead_letters)

    def again(letters: SqlDeadLetters) -> Replay:
        return letters.revive([letter.id.number])[0]

    results = together(database_url, [again] * 4)

    outcomes = sorted(one.outcome for one in results)
    assert outcomes == ["replayed", "settled", "settled", "settled"], "[once] replayed twice"
    assert len(catalog.must_claim().revisions) == 1


# --- Messages ---------------------------------------------------------------------------


def sent(*documents: NewDocument, collection: str = "later", key: str = "k") -> Submission:
    """Return what the intake makes of a message today."""
    letter = submission(*documents, collection=collection, key=key, content=key, lane=Lane.BULK)
    return replace(letter, source="queue:q", raw=b"...")


def test_a_message_is_accepted_under_its_key_and_remembered(catalog: Catalog) -> None:
    refused = refuse(catalog, put("a"), key="mine")
    catalog.collection("later")

    result = catalog.dead_letters.accept(refused.number, sent(put("a"), key="mine"))

    assert (result.id, result.outcome) == (refused, ReplayOutcome.REPLAYED)
    assert catalog.dead_letters.count(most=9) == 0
    (kept,) = catalog.dead_letters.page(DeadLetterFilter(replayed=True), limit=9).letters
    assert (kept.id, kept.job_id, kept.replayed_at is not None) == (refused, result.job_id, True)
    accepted, rejected = catalog.inbox.receipts("mine")
    assert (accepted.status, accepted.job_id) == ("accepted", result.job_id)
    assert rejected.status == "rejected"
    resent = catalog.inbox.accept(sent(put("a"), key="mine"))
    assert (resent.repeated, resent.job_id) == (True, result.job_id), "[once] sent again"


def test_a_message_replayed_again_is_left_alone(catalog: Catalog) -> None:
    refused = refuse(catalog, put("a"))
    catalog.collection("later")
    first = catalog.dead_letters.accept(refused.number, sent(put("a")))

    # Whatever it is taken for now, another key even: what was accepted is accepted.
    second = catalog.dead_letters.accept(refused.number, sent(put("a"), key="another"))

    assert (second.outcome, second.job_id) == (ReplayOutcome.SETTLED, first.job_id), (
        "[once] a message that was replayed was accepted again"
    )
    assert len(catalog.must_claim().revisions) == 1


def test_replayed_at_the_same_time_a_message_is_accepted_once(
    catalog: Catalog, database_url: str
) -> None:
    refused = refuse(catalog, put("a"))
    catalog.collection("later")

    def accept(key: str) -> object:
        return lambda letters: letters.accept(refused.number, sent(put("a"), key=key))

    results = together(database_url, [accept(f"k{number}") for number in range(4)])

    assert sorted(one.outcome for one in results) == ["replayed", "settled", "settled", "settled"]
    assert len({one.job_id for one in results}) == 1
    assert len(catalog.must_claim().revisions) == 1


def test_a_message_whose_producer_sent_it_again_adds_nothing(catalog: Catalog) -> None:
    refused = refuse(catalog, put("a"))
    catalog.collection("later")
    receipt = catalog.inbox.accept(sent(put("a")))

    result = catalog.dead_letters.accept(refused.number, sent(put("a")))

    assert (result.outcome, result.job_id) == (ReplayOutcome.SETTLED, receipt.job_id)
    assert catalog.dead_letters.count(most=9) == 0
    assert len(catalog.must_claim().revisions) == 1


@pytest.mark.parametrize(
    ("letter", "reason"),
    [
        (sent(put("a"), collection="nowhere"), "no-such-collection"),
        (sent(gone("ghost"), collection="c", key="other"), "no-such-document"),
        (sent(put("a", "half \ud800"), collection="c"), "bad-payload"),
        (replace(sent(put("a"), collection="c"), content_sha256="other"), "key-reused"),
        (Rejection(source="q", raw=b"", reason="not-json", detail="nul \0", key="k"), "not-json"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_message_that_is_refused_again_stays_with_the_new_reason(
    catalog: Catalog, letter: Submission | Rejection, reason: str
) -> None:
    refused = refuse(catalog, put("a"))
    catalog.inbox.accept(sent(put("b"), collection="c"))

    result = catalog.dead_letters.accept(refused.number, letter)

    assert result.outcome is ReplayOutcome.REFUSED
    assert result.detail.startswith(f"{reason}: ")
    kept = newest(catalog)
    assert (kept.id, kept.reason, kept.replayed_at) == (refused, reason, None)
    assert [one.external_id for one in catalog.must_claim().revisions] == ["b"]


def test_a_submission_that_was_no_message_is_kept_whole(catalog: Catalog) -> None:
    documents = (
        replace(put("a", version=3), metadata={"n": [1.5, {"ü": None}]}),
        gone("b"),
    )
    whole = replace(
        submission(*documents, collection="later", key="k", content="sha", lane=Lane.BULK),
        producer="orders",
        missing_ok=True,
        extra={"tenant": {"id": 7}},
    )
    catalog.inbox.take([whole])
    assert catalog.dead_letters.find(newest(catalog).id)[1] == whole


def test_documents_that_an_earlier_lamina_kept_are_understood(catalog: Catalog) -> None:
    raw = (
        b'[{"id": "a", "title": "T", "text": "x", "metadata": {}, "kind": "delete", '
        b'"external_version": 4}]'
    )
    catalog.inbox.take(
        [
            Rejection(
                source="queue:q", raw=raw, reason="no-such-collection", detail="d", collection="c"
            )
        ]
    )
    _, content = catalog.dead_letters.find(newest(catalog).id)
    assert isinstance(content, Submission)
    assert content.missing_ok
    assert content.lane is Lane.BULK
    result = catalog.dead_letters.accept(newest(catalog).id.number, content)
    assert result.outcome is ReplayOutcome.REPLAYED


@pytest.mark.parametrize(
    ("size", "kept", "words"),
    [
        (5000, b"x" * 100, "first 100 of its 5000 bytes"),
        (None, b"x" * 100, "maybe only the first 100"),
        (100, b"x" * 100, None),
        (None, b"x" * 99, None),
    ],
)
def test_a_message_that_was_cut_cannot_be_replayed_and_says_so(
    catalog: Catalog, size: int | None, kept: bytes, words: str | None
) -> None:
    catalog.inbox.take([Rejection(source="q", raw=kept, reason="too-large", detail="d")])
    with catalog.database.write() as tx:
        tx.execute(update(RejectionRow).values(size=size))
    letters = SqlDeadLetters(catalog.database, kept_bytes=100)

    (letter,) = letters.page(EVERYTHING, limit=9).letters

    assert (letter.obstacle is None) == (words is None)
    assert words is None or words in str(letter.obstacle)


def test_the_size_of_what_came_is_noted(catalog: Catalog) -> None:
    cut = Rejection(source="q", raw=b"beginning", reason="too-large", detail="d", size=70_000_000)
    catalog.inbox.take([cut])
    assert "first 9 of its 70000000 bytes" in str(newest(catalog).obstacle)


# --- Dismissal --------------------------------------------------------------------------


def test_what_is_dismissed_is_off_the_list_for_good(catalog: Catalog) -> None:
    job = fail(catalog, put("a"), put("b")).job_id
    refused = refuse(catalog, put("c"))
    other = refuse(catalog, put("d"), key="other")
    a = failed(catalog.dead_letters)[-1]

    assert catalog.dead_letters.dismiss([a.id, refused, document(999), message(999)]) == 2
    assert catalog.dead_letters.dismiss([a.id, refused]) == 0

    assert set(listed(catalog)) == {str(other), str(failed(catalog.dead_letters)[0].id)}
    assert catalog.states(job) == {State.FAILED: 2}
    assert catalog.inbox.receipts("k") == []
    (result,) = catalog.dead_letters.revive([a.id.number])
    assert (result.outcome, result.detail) == (ReplayOutcome.SETTLED, "It was dismissed.")
    with pytest.raises(DeadLetterNotFound):
        catalog.dead_letters.accept(refused.number, sent(put("c")))


def test_the_text_of_a_dismissed_document_is_let_go_and_no_other(
    catalog: Catalog, collection: Collection
) -> None:
    fail(catalog, put("a", "secret"), put("b", "kept"))
    dismissed = failed(catalog.dead_letters)[-1]
    catalog.dead_letters.dismiss([dismissed.id])

    catalog.versions.forget(collection.id, limit=100)

    with catalog.database.read() as tx:
        texts = tx.scalars(select(RevisionRow.text).order_by(RevisionRow.id)).all()
    assert texts == ["", "kept"]
