"""What the use cases ask of the catalog, the only arbiter of truth.

Each part has its contract tests in `tests/contract/`, run over every adapter. Any call may raise
`CatalogUnavailable`.
"""

from collections.abc import Mapping, Sequence
from typing import Protocol

from shared.domain import (
    DEFAULT_INDEX_RULE,
    DEFAULT_RETENTION_RULE,
    ArchivedDocument,
    Attempt,
    AttemptStanding,
    Chore,
    ChoreKind,
    ChoreState,
    Claim,
    ClaimRecord,
    Collection,
    CollectionStats,
    Commit,
    Damage,
    DocumentReport,
    Head,
    Ids,
    IndexRule,
    JobReport,
    KeptVersion,
    LiveRecall,
    LiveRevision,
    PassageRecord,
    Receipt,
    ReceiptEntry,
    Rejection,
    RetentionRule,
    Rewriting,
    SpaceDraft,
    Submission,
    VersionDiff,
    VersionReport,
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

    def stats(self) -> Sequence[CollectionStats]:
        """Return every collection in numbers, by name."""
        ...

    def configure(
        self,
        name: str,
        *,
        index: IndexRule | None = None,
        retention: RetentionRule | None = None,
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

    def claim_job(
        self, job_id: str, worker: str, *, max_documents: int, lease_seconds: float
    ) -> Claim | None:
        """Take pending revisions of one job, held or not, oldest first; None if there are none.

        For whoever brings the vectors along and needs no encoder.
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

    def versions(
        self,
        collection: str,
        *,
        limit: int,
        before: int | None = None,
        content_only: bool = False,
        kept_only: bool = False,
    ) -> Sequence[VersionReport]:
        """Return the newest versions of a collection, those below *before* if given."""
        ...

    def version(self, collection: str, version: int) -> VersionReport:
        """Return one version, expired ones too.

        Raises:
            CollectionNotFound, VersionNotFound
        """
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


class Versions(Protocol):
    """Kept versions: their names, their leases, how they differ, and their end."""

    def tag(self, collection_id: int, version: int, name: str) -> None:
        """Name a version; a name of this collection that is taken moves to it.

        Raises:
            VersionNotFound, VersionExpired
            InvalidRequest: the name is not 1 to 100 of letters, digits, `.`, `_`, `-`, beginning
                with a letter, so that it cannot be taken for a number.
        """
        ...

    def untag(self, collection_id: int, name: str) -> None:
        """Take a name away.

        Raises:
            TagNotFound: the collection has no such tag.
        """
        ...

    def tagged(self, collection_id: int, name: str) -> int:
        """Return the version that a tag names.

        Raises:
            TagNotFound: the collection has no such tag.
        """
        ...

    def hold(self, collection_id: int, version: int, holder: str, seconds: float) -> None:
        """Lease a version: until the lease ends it does not expire. Again renews it.

        Raises:
            VersionNotFound: never published.
            VersionExpired: it has expired already.
        """
        ...

    def release(self, collection_id: int, version: int, holder: str) -> None:
        """End a lease early; nothing happens if there is none."""
        ...

    def kept(self, collection_id: int) -> Sequence[KeptVersion]:
        """Return every version but 0 whose files may still be there, oldest first.

        These are the live ones, and expired ones that `bury` was not told of.
        """
        ...

    def expire(self, collection_id: int, versions: Sequence[int]) -> Sequence[int]:
        """Let versions go; return those that went.

        In one transaction: the head, and tagged or leased versions, stay whatever was asked.
        """
        ...

    def bury(self, collection_id: int, versions: Sequence[int]) -> None:
        """Say that the files of these expired versions are removed."""
        ...

    def forget(self, collection_id: int, *, limit: int) -> int:
        """Erase the text, metadata and chunks of revisions that no kept version holds.

        Of at most *limit* finished ones; returns how many. Their state, errors and jobs stay.
        A failed revision keeps its text while it is the newest of its document.
        """
        ...

    def diff(
        self, collection_id: int, before: int, after: int, *, limit: int, cursor: str | None
    ) -> VersionDiff:
        """Compare the documents of two versions.

        Raises:
            VersionNotFound, VersionExpired
        """
        ...

    def live_vectors(self, collection_id: int, version: int) -> Ids:
        """Return the vector ids that the catalog holds live at a version, rising."""
        ...

    def segments_at(self, collection_id: int, version: int) -> Mapping[str, str]:
        """Return id and sha256 of the segments that a version lists, for a lost manifest.

        From the catalog's mirror of the manifests: after a restore there may be some too many.
        """
        ...

    def vectors_of(self, collection_id: int, external_id: str) -> Ids:
        """Return every vector id of a document, of all its revisions, rising.

        Where the chunks of a revision are forgotten, with all ids that its attempt reserved
        and that belong to nothing any more.

        Raises:
            DocumentNotFound: no document of the collection has this id.
        """
        ...

    def passages_of(self, vector_ids: Sequence[int]) -> Mapping[int, tuple[str, str, int, int]]:
        """Return title, text, start and end of the passages behind vectors, to encode anew.

        Unknown vectors, and those whose text was forgotten, are missing.
        """
        ...

    def documents_at(
        self, collection_id: int, version: int, *, after: str | None, limit: int
    ) -> Sequence[ArchivedDocument]:
        """Return documents as a version holds them, by id, those with ids above *after*."""
        ...

    def attempts(self, attempt_ids: Sequence[str]) -> Mapping[str, AttemptStanding]:
        """Return what became of these attempts; unknown ones are missing.

        An active attempt of a claim is working while the claim is active; of a chore (its
        worker holds an active chore of the collection) while that is; any other for an hour.
        """
        ...

    def revoke(self, attempt_id: str) -> bool:
        """Fence off an active attempt; whether it was (false: it has ended meanwhile)."""
        ...


class Chores(Protocol):
    """Long upkeep under a lease, and what it found."""

    def begin(
        self,
        collection_id: int,
        kind: ChoreKind,
        *,
        holder: str,
        lease_seconds: float,
        detail: str = "",
    ) -> Chore | None:
        """Begin a chore; None while another process does that kind in that collection.

        A chore whose lease ran out becomes `lost` in the same transaction.
        """
        ...

    def renew(self, chore_id: int, *, lease_seconds: float, done: int, total: int) -> None:
        """Extend the lease and say how far it is.

        Raises:
            Fenced: the lease ran out and somebody else began it.
        """
        ...

    def end(self, chore_id: int, state: ChoreState, detail: str) -> None:
        """End an active chore; nothing happens if it is not active."""
        ...

    def last(self, collection_id: int, kind: ChoreKind) -> Chore | None:
        """Return the newest chore of a kind that ended `done`; None if there never was one."""
        ...

    def chores(self, *, collection: str | None = None, limit: int) -> Sequence[Chore]:
        """Return the newest chores, active ones first."""
        ...

    def report(self, damages: Sequence[Damage]) -> None:
        """Quarantine damaged files; one known already keeps the time it was found."""
        ...

    def repaired(self, collection_id: int, keys: Sequence[str]) -> None:
        """Take files out of quarantine."""
        ...

    def damages(self, collection_id: int | None = None) -> Sequence[Damage]:
        """Return what is in quarantine, oldest first."""
        ...

    def sample(self, collection_id: int, *, version: int, k: int, recall: float) -> None:
        """Record how one live query compared with the exact answer; the newest 1,000 stay."""
        ...

    def recall(self, collection_id: int) -> LiveRecall | None:
        """Return how the samples since the last MERGE or RELAY went; None without any."""
        ...
