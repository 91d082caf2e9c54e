"""What a proposed outcome becomes, given what is live at the head it meets."""

from shared.domain import Lane, LiveRevision, Outcome, Revision, RevisionKind, State
from shared.indexing.publishing import settle, settle_all


def revision(number: int, kind: RevisionKind = RevisionKind.PUT, content: str = "c") -> Revision:
    return Revision(
        id=number,
        collection_id=1,
        document_id=1,
        external_id="d",
        kind=kind,
        title="",
        text="x",
        metadata={},
        content_sha256=content,
        text_sha256="t",
        lane=Lane.BULK,
        crashes=0,
        job_id="j",
    )


def live(number: int, kind: RevisionKind = RevisionKind.PUT, content: str = "c") -> LiveRevision:
    return LiveRevision(
        revision_id=number, kind=kind, content_sha256=content, text_sha256="t", chunks=()
    )


def settled(proposal: Outcome, now: LiveRevision | None) -> State:
    return settle(proposal, {1: now} if now else {}).state


def test_a_new_document_is_indexed() -> None:
    assert settled(Outcome(revision=revision(5), state=State.INDEXED), None) is State.INDEXED


def test_a_newer_revision_replaces_an_older_one() -> None:
    assert settled(Outcome(revision=revision(5), state=State.INDEXED), live(4)) is State.INDEXED


def test_an_older_revision_never_replaces_a_newer_one() -> None:
    outcome = settled(Outcome(revision=revision(5), state=State.INDEXED), live(6))
    assert outcome is State.SUPERSEDED


def test_an_older_revision_does_not_bring_a_deleted_document_back() -> None:
    proposal = Outcome(revision=revision(5), state=State.INDEXED)
    assert settled(proposal, live(6, RevisionKind.DELETE)) is State.SUPERSEDED


def test_deleting_twice_changes_nothing() -> None:
    proposal = Outcome(revision=revision(5, RevisionKind.DELETE), state=State.INDEXED)
    assert settled(proposal, live(4, RevisionKind.DELETE)) is State.UNCHANGED


def test_a_delete_is_recorded_even_when_nothing_was_live() -> None:
    proposal = Outcome(revision=revision(5, RevisionKind.DELETE), state=State.INDEXED)
    assert settled(proposal, None) is State.INDEXED


def test_unchanged_holds_only_while_its_twin_is_live() -> None:
    proposal = Outcome(revision=revision(5), state=State.UNCHANGED)
    assert settled(proposal, live(4)) is State.UNCHANGED
    assert settled(proposal, live(4, content="other")) is State.PENDING
    assert settled(proposal, live(4, RevisionKind.DELETE)) is State.PENDING
    assert settled(proposal, None) is State.PENDING


def test_unchanged_is_superseded_by_a_newer_revision() -> None:
    proposal = Outcome(revision=revision(5), state=State.UNCHANGED)
    assert settled(proposal, live(6, content="other")) is State.SUPERSEDED


def test_an_older_revision_waits_when_the_newer_one_of_its_claim_failed() -> None:
    older = Outcome(revision=revision(5), state=State.SUPERSEDED)
    failed = Outcome(revision=revision(6), state=State.FAILED)
    indexed = Outcome(revision=revision(6), state=State.INDEXED)

    assert settle_all([older, failed], {})[0].state is State.PENDING
    assert settle_all([older, indexed], {})[0].state is State.SUPERSEDED
