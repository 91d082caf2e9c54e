"""What the use cases ask of the catalog, the only arbiter of truth.

Each part has its contract tests in `tests/contract/`, run over every adapter. Any call may raise
`CatalogUnavailable`.
"""

from collections.abc import Mapping, Sequence
from typing import Protocol

from shared.domain import (
    DEFAULT_INDEX_RULE,
    DEFAULT_RETENTION_RULE,
    Amendment,
    Attempt,
    Claim,
    ClaimRecord,
    Collection,
    CollectionStats,
    Commit,
    Head,
    IndexRule,
    LiveRevision,
    Receipt,
    ReceiptEntry,
    Rejection,
    RetentionRule,
    Rewriting,
    Space,
    SpaceDraft,
    Submission,
    TracedJob,
)


class Collections(Protocol):
    """Collections and their spaces."""

    def create(
        self,
        name: str,
        draft: SpaceDraft,
        *,
        index: IndexRule = DEFAULT_INDEX_RULE,
        retention: RetentionRule = DEFAULT_RETENTION_RULE,
        keep_originals: bool = False,
    ) -> Collection:
        """Create a collection with one space and its rules, at version 0 without a manifest file.

        Raises:
            CollectionExists: the name is taken.
        """
        ...

    def get(self, name: str) -> Collection:
        """Return the collection called *name*.

        Raises:
            CollectionNotFound: there is none.
        """
        ...

    def by_id(self, collection_id: int) -> Collection:
        """Return the collection with this id.

        Raises:
            CollectionNotFound: there is none.
        """
        ...

    def space(self, space_id: int) -> Space:
        """Return a space of any collection, live or not. It never changes.

        Raises:
            CollectionNotFound: there is none.
        """
        ...

    def stats(self) -> Sequence[CollectionStats]:
        """Return every collection in numbers, by name."""
        ...

    def configure(
        self,
        name: str,
        *,
        index: IndexRule | None = None,
        retention: RetentionRule | None = None,
        keep_originals: bool | None = None,
    ) -> Collection:
        """Change a collection's rules; None leaves one as it is.

        Raises:
            CollectionNotFound: there is none.
        """
        ...


class Inbox(Protocol):
    """Where submissions become revisions. A submission is accepted when this returns."""

    def accept(self, submission: Submission, *, hold_seconds: float = 0.0) -> Receipt:
        """Store every document as a pending revision (or `unchanged`) of a new job.

        With *hold_seconds*, no worker claims them before so much time has passed; only
        `Claims.claim_job` does. One transaction. The key, when given, is stored in the same
        transaction: the same key with the same content answers with the first receipt,
        `repeated`.

        Raises:
            CollectionNotFound: no such collection.
            KeyReused: the key was used with other content; kept as a rejection.
            DocumentNotFound: a delete names a document that does not exist.
        """
        ...

    def amend(self, amendment: Amendment) -> Receipt:
        """Store what *amendment* makes of a document as a pending revision of a new job.

        One transaction, in which the document is locked: of several changes each is applied to
        what the one before it made. The newest accepted revision is changed, waiting or not; if
        that one failed, too. Keys as in `accept`, but a reused one is not kept as a rejection.

        Raises:
            CollectionNotFound: no such collection.
            KeyReused: the key was used with other content.
            DocumentNotFound: there is no such document, or its newest revision deletes it.
            InvalidDocument: what *amendment* makes of it is none.
        """
        ...

    def take(self, letters: Sequence[Submission | Rejection]) -> Sequence[Receipt | Rejection]:
        """Store many letters in one transaction, each as `accept` or as a rejection.

        A submission that `accept` would refuse becomes a rejection and harms no other; its
        `raw` is the submission's documents as JSON. In the order given.
        """
        ...

    def receipts(self, key: str) -> Sequence[ReceiptEntry]:
        """Return what became of the messages with this key, newest first; empty if none."""
        ...


class Claims(Protocol):
    """The queue: revisions wait here and are taken under a lease."""

    def claim(
        self,
        worker: str,
        *,
        fingerprints: Sequence[str],
        max_lane: int,
        max_characters: int,
        max_documents: int,
        lease_seconds: float,
    ) -> Claim | None:
        """Take pending revisions of the first lane that has any, by turn; None if there are none.

        Turns are fair between flows: what one producer sends to one collection (`flows.py`).
        Only revisions whose `not_before` has passed, whose collection's live space has one of
        *fingerprints*, and in lanes up to *max_lane*; all of one encoder. Takes at least one,
        then stops before *max_characters* (title + text) or *max_documents* is passed.

        Revisions that were in a claim whose worker died are suspects: they are claimed apart from
        others, at most half as many as were together then, `closed_by` `suspect`. No two claims
        of suspects follow each other while others of their lane wait, and a worker that holds a
        claim already gets none. No two workers ever hold the same revision.
        """
        ...

    def claim_job(
        self, job_id: str, worker: str, *, max_documents: int, lease_seconds: float
    ) -> Claim | None:
        """Take pending revisions of one job, held or not, oldest first; None if there are none.

        For whoever brings the vectors along and needs no encoder.
        """
        ...

    def origins(self, claim_id: int) -> Mapping[str, TracedJob]:
        """Return, by job in the claim, where those come from that belong to a trace."""
        ...

    def renew(self, claim_id: int, lease_seconds: float) -> None:
        """Extend the lease by the catalog's clock.

        Raises:
            Fenced: the claim is no longer active.
        """
        ...

    def close(self, claim_id: int, record: ClaimRecord) -> None:
        """End an active claim and store its record; revisions still claimed go back to pending.

        A claim that is no longer active is left as it is.
        """
        ...

    def release(self, claim_id: int, *, delay_seconds: float, reason: str) -> None:
        """Give an unfinished claim back after a fault that is no document's fault.

        Nobody takes it before *delay_seconds* have passed; *reason* says why it waits. A claim
        that is no longer active is left as it is.
        """
        ...

    def give_up(self, worker: str, *, delay_seconds: float, reason: str) -> int:
        """Release every active claim of a worker that must stop now; return how many."""
        ...

    def reap(self, *, worker: str | None = None, max_crashes: int) -> int:
        """Revoke active claims whose lease ran out, or all of *worker*'s; return how many.

        Their claimed revisions go back to pending with one crash more, as suspects. One that
        crashed *max_crashes* times while it was surely alone (its claim held nothing else, and
        its worker no other claim) fails with the reason. Their active attempts are revoked in
        the same transaction.
        """
        ...

    def accuse(self, claim_id: int, *, reason: str, max_crashes: int) -> None:
        """Revoke a claim, as `reap` does, whose own worker could not bear it but lives.

        As when memory ran out. A claim that is no longer active is left as it is.
        """
        ...

    def cancel(self, job_id: str) -> int:
        """Cancel every pending revision of a job; return how many. Again does no harm.

        What a worker holds runs to its end. Cancelled revisions count as finished and as never
        sent: the same content, under the same external version too, is new when it is sent
        again. The job's idempotency key stays with the job: the same key answers with it.

        Raises:
            JobNotFound: there is none.
        """
        ...


class Publications(Protocol):
    """Attempts and the head: how a version comes to be."""

    def register(
        self, collection_id: int, *, vectors: int, claim_id: int | None, worker: str
    ) -> Attempt:
        """Register an attempt before any file is written, and reserve its vector ids."""
        ...

    def base(
        self, collection_id: int, document_ids: Sequence[int]
    ) -> tuple[Head, Mapping[int, LiveRevision]]:
        """Read, in one snapshot, the head and what is live there of these documents.

        Since every change of what is live moves the head, a commit that compares the head
        also guards this reading. A document that is deleted at the head is listed with its
        tombstone; one never published is missing. Chunks are those of the live space.
        """
        ...

    def commit(self, commit: Commit) -> Head:
        """Publish in one short transaction; return the new head (the old one if no manifest).

        Compare-and-swap of the head on version *and* manifest sha; the attempt must be active,
        the claim active, every outcome's revision still claimed under it. Stores chunks,
        liveness intervals (closing those replaced), version, segments, states, errors, warnings
        and stamps; moves the head counter. A put or delete that publishes marks older *pending*
        revisions of its document superseded.

        Raises:
            VersionConflict: another version was published, or the one to restore was rewritten;
                nothing was written.
            VersionExpired: the version to restore is no longer kept; nothing was written.
            Fenced: the attempt or the claim was revoked; nothing was written.
            CommitUnknown: the connection was lost during COMMIT.
        """
        ...

    def outcome(self, attempt_id: str) -> Head | None:
        """Return the head that the attempt published, or None if it did not."""
        ...

    def abandon(self, attempt_id: str) -> None:
        """Say that an active attempt will not be finished."""
        ...

    def rewrite(self, rewriting: Rewriting) -> None:
        """Swap the manifests of several versions, which keep their numbers, in one transaction.

        The attempt must be active; every version of `heads` must still have that sha, and no
        live or just expired version of the collection may be missing from them. With `purged`,
        every revision of that document, its chunks, liveness and the document itself are
        erased in the same transaction: pending ones are cancelled without their text, and
        claims that hold one are revoked, their other revisions going back to the queue. So is
        every other active attempt of the collection that has no claim: a merge under way may
        have copied its vectors.

        Raises:
            VersionConflict: a version was published, expired or rewritten meanwhile; nothing
                was written.
            Fenced: the attempt was revoked; nothing was written.
            DocumentNotFound: there is no document to purge; nothing was written.
            CommitUnknown: the connection was lost during COMMIT; `Versions.attempts` tells.
        """
        ...
