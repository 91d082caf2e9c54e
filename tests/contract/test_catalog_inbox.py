"""What every catalog promises of what it accepts."""

from dataclasses import replace

import pytest

from shared.domain import Json, Lane, NewDocument, Receipt, Rejection, State, Submission
from shared.errors import (
    CollectionNotFound,
    DocumentNotFound,
    InvalidDocument,
    InvalidRequest,
    KeyReused,
)
from tests.contract.catalogs import Catalog, gone, put, puts, submission


@pytest.fixture(autouse=True)
def _collection(catalog: Catalog) -> None:
    catalog.collection()


def test_accepted_documents_wait_and_come_back_exactly_as_sent(catalog: Catalog) -> None:
    metadata: dict[str, Json] = {
        "n": [1, 2.5, None, True],
        "ü": {"z": "\u2028", "a": 10**20},
        "": "\u0000",
    }
    sent = NewDocument(id="déjà/vu 1", title="T\n", text="a 😀 b", metadata=metadata)

    receipt = catalog.submit(sent)

    assert receipt.documents == (("déjà/vu 1", State.PENDING),)
    assert not receipt.repeated
    claim = catalog.must_claim()
    taken = claim.revisions[0]
    assert (taken.external_id, taken.title, taken.text) == (sent.id, sent.title, sent.text)
    assert taken.metadata == metadata
    assert list(taken.metadata) == list(metadata)
    assert taken.content_sha256 == sent.content_sha256
    assert taken.text_sha256 == sent.text_sha256


def test_a_receipt_lists_documents_in_the_order_sent(catalog: Catalog) -> None:
    receipt = catalog.submit(put("z"), put("a"), put("m"))
    assert [name for name, _ in receipt.documents] == ["z", "a", "m"]
    assert [one.external_id for one in catalog.must_claim().revisions] == ["z", "a", "m"]


def test_a_submission_to_an_unknown_collection_changes_nothing(catalog: Catalog) -> None:
    with pytest.raises(CollectionNotFound):
        catalog.submit(put("a"), collection="nowhere")
    assert catalog.records.jobs(limit=10) == []


def test_an_empty_submission_makes_a_finished_job(catalog: Catalog) -> None:
    job = catalog.records.job(catalog.submit().job_id)
    assert (job.total, job.finished) == (0, True)


def test_the_same_key_with_the_same_content_gets_the_first_receipt_again(catalog: Catalog) -> None:
    first = catalog.submit(put("b"), put("a"), key="k", content="x")
    catalog.index_all()

    again = catalog.submit(put("b"), put("a"), key="k", content="x")

    assert again.repeated, "[once] a key that was seen before made another job"
    assert again.job_id == first.job_id
    assert again.documents == (("b", State.INDEXED), ("a", State.INDEXED))
    assert catalog.claim() is None


def test_the_same_key_with_other_content_is_refused_and_kept(catalog: Catalog) -> None:
    first = catalog.submit(put("a"), key="k", content="x")

    with pytest.raises(KeyReused, match=first.job_id):
        catalog.submit(put("b", "other"), key="k", content="y")

    rejected, accepted = catalog.inbox.receipts("k")
    assert (accepted.status, accepted.job_id, accepted.collection) == (
        "accepted",
        first.job_id,
        "c",
    )
    assert (rejected.status, rejected.reason, rejected.job_id) == ("rejected", "key-reused", None)
    (refused,) = catalog.refused()
    assert isinstance(refused.content, Submission)
    assert [one.text for one in refused.content.documents] == ["other"]
    assert len(catalog.must_claim().revisions) == 1


def test_a_key_belongs_to_its_collection_and_its_source(catalog: Catalog) -> None:
    catalog.collection("other")
    first = submission(put("a"), key="k", content="x")
    jobs = {
        catalog.inbox.accept(one).job_id
        for one in (
            first,
            replace(first, source="queue", content_sha256="y"),
            replace(first, collection="other", content_sha256="z"),
        )
    }
    assert len(jobs) == 3
    assert len(catalog.inbox.receipts("k")) == 3
    assert catalog.inbox.receipts("unknown") == []


def test_content_that_is_live_already_is_unchanged_at_once(catalog: Catalog) -> None:
    catalog.submit(put("a"))
    catalog.index_all()

    again = catalog.submit(put("a"), put("b"))

    assert again.documents == (("a", State.UNCHANGED), ("b", State.PENDING))
    report = catalog.records.document("c", "a")
    assert (report.state, report.version, len(report.chunks)) == (State.UNCHANGED, 1, 1)
    assert report.published_at is not None
    assert [one.external_id for one in catalog.must_claim().revisions] == ["b"]
    assert catalog.submit(put("a")).documents == (("a", State.UNCHANGED),)


def test_live_content_sent_behind_a_waiting_change_waits_too(catalog: Catalog) -> None:
    catalog.submit(put("a", "old"))
    catalog.index_all()

    receipt = catalog.submit(put("a", "old"), put("a", "new"), put("a", "old"))

    assert [state for _, state in receipt.documents] == [
        State.UNCHANGED,
        State.PENDING,
        State.PENDING,
    ]
    catalog.must_claim(max_documents=1)
    assert catalog.submit(put("a", "old")).documents == (("a", State.PENDING),)


def test_what_was_sent_twice_in_one_submission_is_kept_in_order(catalog: Catalog) -> None:
    catalog.submit(put("a", "one"), put("a", "two"))
    assert [one.text for one in catalog.must_claim().revisions] == ["one", "two"]


def test_deleting_what_never_was_refuses_the_whole_submission(catalog: Catalog) -> None:
    with pytest.raises(DocumentNotFound, match="ghost"):
        catalog.submit(put("a"), gone("ghost"))

    assert catalog.claim() is None
    assert catalog.records.jobs(limit=10) == []
    with pytest.raises(DocumentNotFound):
        catalog.records.document("c", "a")


def test_a_deleted_document_cannot_be_deleted_again_but_put_again(catalog: Catalog) -> None:
    catalog.submit(put("a"))
    catalog.index_all()
    assert catalog.submit(gone("a")).documents == (("a", State.PENDING),)
    assert catalog.submit(gone("a")).documents == (("a", State.PENDING),)
    catalog.index_all()

    with pytest.raises(DocumentNotFound):
        catalog.submit(gone("a"))
    assert catalog.submit(put("a")).documents == (("a", State.PENDING),)
    assert catalog.submit(gone("a")).documents == (("a", State.PENDING),)


def test_a_delete_may_follow_its_put_in_one_submission(catalog: Catalog) -> None:
    receipt = catalog.submit(put("a"), gone("a"))
    assert [state for _, state in receipt.documents] == [State.PENDING, State.PENDING]


def test_an_external_version_that_does_not_rise_is_superseded_with_a_warning(
    catalog: Catalog,
) -> None:
    receipt = catalog.submit(put("a", "two", version=2), put("a", "one", version=1))
    later = catalog.submit(put("a", "two again", version=2), put("b", "b", version=-5))
    third = catalog.submit(put("a", "three", version=3))

    assert [state for _, state in receipt.documents] == [State.PENDING, State.SUPERSEDED]
    assert [state for _, state in later.documents] == [State.SUPERSEDED, State.PENDING]
    assert [state for _, state in third.documents] == [State.PENDING]
    (warning,) = catalog.records.job(receipt.job_id).warnings
    assert (warning.document, "external version 1" in warning.message) == ("a", True)
    assert catalog.records.document("c", "a").text == "three"


def test_a_superseded_delete_does_not_make_the_document_gone(catalog: Catalog) -> None:
    catalog.submit(put("a", version=5))
    catalog.index_all()
    late = replace(gone("a"), external_version=4)
    assert catalog.submit(late).documents == (("a", State.SUPERSEDED),)
    assert catalog.submit(gone("a")).documents == (("a", State.PENDING),)


def test_a_submission_may_delete_what_is_not_there(catalog: Catalog) -> None:
    going = replace(submission(gone("ghost"), gone("a"), key="k"), missing_ok=True)
    catalog.submit(put("a"))
    catalog.index_all()

    receipt = catalog.inbox.accept(going)

    assert receipt.documents == (("ghost", State.UNCHANGED), ("a", State.PENDING))
    (warning,) = catalog.records.job(receipt.job_id).warnings
    assert (warning.document, warning.message) == (
        "ghost",
        "There is no document 'ghost' to delete.",
    )
    catalog.index_all()
    assert catalog.records.job(receipt.job_id).finished
    with pytest.raises(DocumentNotFound):
        catalog.records.document("c", "ghost")
    again = catalog.inbox.accept(replace(going, key=None))
    assert {state for _, state in again.documents} == {State.UNCHANGED}


def test_deleting_what_is_not_there_yet_still_counts_by_its_external_version(
    catalog: Catalog,
) -> None:
    early = replace(gone("a"), external_version=5)
    going = replace(submission(early), missing_ok=True)
    assert catalog.inbox.accept(going).documents == (("a", State.UNCHANGED),)
    assert catalog.submit(put("a", version=4)).documents == (("a", State.SUPERSEDED),)
    assert catalog.submit(put("a", version=6)).documents == (("a", State.PENDING),)


@pytest.mark.parametrize(
    "document",
    [
        put("a\0"),
        put("a", "nul \0"),
        put("a", "lone \ud800"),
        put("\udfff"),
        replace(put("a"), metadata={"x": float("nan")}),
        replace(put("a"), metadata={"x": "\ud800"}),
        put("a", version=2**63),
    ],
)
def test_what_no_database_can_store_is_refused_and_changes_nothing(
    catalog: Catalog, document: NewDocument
) -> None:
    with pytest.raises(InvalidDocument):
        catalog.submit(put("good"), document)
    assert catalog.claim() is None


def test_of_many_letters_a_bad_one_harms_no_other(catalog: Catalog) -> None:
    catalog.submit(put("old"), key="used", content="x")
    malformed = Rejection(source="q", raw=b"\xff\0", reason="not-json", detail="no", key="m")
    letters: list[Submission | Rejection] = [
        submission(put("a"), key="k", content="1"),
        malformed,
        submission(put("b"), collection="nowhere", key="lost"),
        submission(put("c"), gone("ghost")),
        submission(put("d"), key="used", content="other"),
        submission(put("e", "lone \ud800")),
        submission(put("a"), key="k", content="1"),
        submission(put("f"), lane=Lane.BULK),
    ]

    taken = catalog.inbox.take(letters)

    reasons = [one.reason if isinstance(one, Rejection) else "ok" for one in taken]
    assert reasons == [
        "ok",
        "not-json",
        "no-such-collection",
        "no-such-document",
        "key-reused",
        "bad-payload",
        "ok",
        "ok",
    ]
    first, repeat = taken[0], taken[6]
    assert isinstance(first, Receipt)
    assert isinstance(repeat, Receipt)
    assert (repeat.repeated, repeat.job_id) == (True, first.job_id)
    waiting = [one.external_id for one in catalog.must_claim().revisions]
    assert waiting == ["old", "a"]
    assert [one.external_id for one in catalog.must_claim().revisions] == ["f"]
    kept = catalog.refused()
    assert [one.reason for one in reversed(kept)] == reasons[1:6]
    assert kept[-1].raw == malformed.raw
    assert catalog.inbox.receipts("lost")[0].reason == "no-such-collection"


def test_letters_taken_twice_are_stored_once(catalog: Catalog) -> None:
    letters = [submission(one, key=one.id, content=one.id) for one in puts(20)]
    first = catalog.inbox.take(letters)
    again = catalog.inbox.take(letters)
    assert [one.job_id for one in first if isinstance(one, Receipt)] == [
        one.job_id for one in again if isinstance(one, Receipt)
    ]
    assert len(catalog.must_claim().revisions) == 20


def test_a_rejected_message_may_hold_anything(catalog: Catalog) -> None:
    nasty = Rejection(
        source="q\0", raw=bytes(range(256)), reason="bad", detail="\ud800 \0", key="k\0"
    )
    assert catalog.inbox.take([nasty]) == [nasty]
    assert catalog.refused()[0].raw == nasty.raw
    assert catalog.inbox.receipts("k\0")[0].reason == "bad"


def test_a_thousand_documents_are_accepted_at_once_and_again(catalog: Catalog) -> None:
    documents = puts(2500)
    receipt = catalog.submit(*documents)
    assert catalog.states(receipt.job_id) == {State.PENDING: 2500}
    catalog.submit(*reversed(documents))
    assert catalog.roster.backlog()["pending"] == 5000


def test_a_job_keeps_its_producers_name_and_the_fields_that_mean_nothing(catalog: Catalog) -> None:
    extra: dict[str, Json] = {"trace": {"ids": [1, "\u0000\ud800"]}, "ü": None}
    sent = replace(submission(put("a")), producer="scanner 7", extra=extra)
    plain = catalog.submit(put("b"))

    job = catalog.records.job(catalog.inbox.accept(sent).job_id)

    assert (job.producer, job.extra) == ("scanner 7", extra)
    assert [one.producer for one in catalog.records.jobs(limit=2)] == ["scanner 7", ""]
    other = catalog.records.job(plain.job_id)
    assert (other.producer, other.extra, other.cancelled_at) == ("", {}, None)


@pytest.mark.parametrize("name", ["a\0b", "\ud800"])
def test_a_producer_whose_name_no_database_stores_is_refused(catalog: Catalog, name: str) -> None:
    sent = replace(submission(put("a")), producer=name)
    with pytest.raises(InvalidRequest, match="producer"):
        catalog.inbox.accept(sent)
    assert [type(one) for one in catalog.inbox.take([sent, submission(put("b"))])] == [
        Rejection,
        Receipt,
    ]
    assert catalog.roster.backlog()["pending"] == 1
