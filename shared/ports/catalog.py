"""What the use cases ask of the catalog, the only arbiter of truth.

Each part has its contract tests in `tests/contract/`, run over every adapter. Any call may raise
`CatalogUnavailable`.
"""

from collections.abc import Mapping, Sequence
from typing import Protocol

from shared.domain import (
    Attempt,
    Claim,
    ClaimRecord,
    Collection,
    CollectionStats,
    Commit,
    DocumentReport,
    Head,
    JobReport,
    LiveRevision,
    PassageRecord,
    Receipt,
    ReceiptEntry,
    Rejection,
    SpaceDraft,
    Submission,
    VersionReport,
)


class Collections(Protocol):
    """Collections and their spaces."""

    def create(self, name: str, draft: SpaceDraft) -> Collection:
        """Create a collection with one space, at version 0 without a manifest file.

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

    def stats(self) -> Sequence[CollectionStats]:
        """Return every collection in numbers, by name."""
        ...


class Inbox(Protocol):
    """Where submissions become revisions. A submission is accepted when this returns."""

    def accept(self, submission: Submission) -> Receipt:
        """Store every document as a pending revision (or `unchanged`) of a new job.

        One transaction. The key, when given, is stored in the same transaction: the same
        key with the same content answers with the first receipt, `repeated`.

        Raises:
            CollectionNotFound: no such collection.
            KeyReused: the key was used with other content; kept as a rejection.
            DocumentNotFound: a delete names a document that does not exist.
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
        """Take pending revisions, by lane then age; None if there are none.

        Only revisions whose `not_before` has passed, whose collection's live space has one of
        *fingerprints*, and in lanes up to *max_lane*; all of one encoder. Takes at least one,
        then stops before *max_characters* (title + text) or *max_documents* is passed. A
        revision that was in a claim whose worker died (`crashes` > 0) is claimed alone.
        No two workers ever hold the same revision.
        """
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
        """Give an unfinished claim back after a fault that is no document's fault."""
        ...

    def reap(self, *, worker: str | None = None, max_crashes: int) -> int:
        """Revoke active claims whose lease ran out, or all of *worker*'s; return how many.

        Their claimed revisions go back to pending with one crash more; one that crashed
        *max_crashes* times while claimed alone fails with the reason. Their active attempts
        are revoked in the same transaction.
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
        tombstone; one never published is missing.
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
            VersionConflict: another version was published; nothing was written.
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


class Reading(Protocol):
    """What searches read."""

    def counter(self) -> int:
        """Return the head counter: it moves with each change of any collection's head."""
        ...

    def heads(self) -> Mapping[int, Head]:
        """Return the head of every collection by its id."""
        ...

    def version(self, collection_id: int, version: int) -> Head:
        """Return where a version's manifest is.

        Raises:
            VersionNotFound: never published.
            VersionExpired: the retention rule let it go.
        """
        ...

    def passages(self, vector_ids: Sequence[int]) -> Mapping[int, PassageRecord]:
        """Return what the vectors stand for; immutable, so right at every version."""
        ...

    def waiting(self, collection_id: int) -> int:
        """Return how many accepted revisions are pending or claimed."""
        ...

    def loaded(self, collection_id: int, version: int) -> None:
        """Stamp versions up to *version* as loaded by a reader, where not stamped yet."""
        ...


class Records(Protocol):
    """What users look up."""

    def job(self, job_id: str, *, issues: int = 100) -> JobReport:
        """Return a job with at most *issues* errors and as many warnings.

        Raises:
            JobNotFound: there is none.
        """
        ...

    def jobs(self, *, limit: int, collection: str | None = None) -> Sequence[JobReport]:
        """Return the newest jobs, without their errors and warnings."""
        ...

    def document(self, collection: str, external_id: str) -> DocumentReport:
        """Return the newest revision of a document.

        Raises:
            CollectionNotFound: no such collection.
            DocumentNotFound: never accepted, or its newest revision is an indexed delete.
        """
        ...

    def versions(self, collection: str, *, limit: int) -> Sequence[VersionReport]:
        """Return the newest versions of a collection."""
        ...

    def rejections(self, *, limit: int) -> Sequence[tuple[int, float, Rejection]]:
        """Return the newest rejected messages with id and time."""
        ...

    def claims(self, *, limit: int) -> Sequence[Mapping[str, object]]:
        """Return the newest claims (batches): worker, lane, documents, tokens and so on."""
        ...


class Roster(Protocol):
    """Which processes are alive, and the clock they share."""

    def now(self) -> float:
        """Return the catalog's clock: the one clock that leases and stamps use."""
        ...

    def beat(self, process: str, kind: str) -> None:
        """Say that *process* (`host:pid`) is alive."""
        ...

    def alive(self, *, within_seconds: float) -> Mapping[str, int]:
        """Return how many processes of each kind said so lately."""
        ...

    def backlog(self) -> Mapping[str, float]:
        """Return `pending`, `claimed`, and the age in seconds of the `oldest` pending."""
        ...
