"""A catalog under test, and the few steps that a worker takes with it."""

from collections.abc import Sequence
from dataclasses import replace

from shared.catalog import (
    Database,
    SqlChores,
    SqlClaims,
    SqlCollections,
    SqlDeadLetters,
    SqlInbox,
    SqlMeasures,
    SqlPublications,
    SqlReading,
    SqlRecords,
    SqlRoster,
    SqlVersions,
    SqlWaiting,
)
from shared.domain import (
    Attempt,
    Chunking,
    ChunkSpan,
    Claim,
    ClaimRecord,
    Collection,
    Commit,
    EncoderCard,
    Head,
    Lane,
    LiveRevision,
    Manifest,
    Metric,
    NewDocument,
    Outcome,
    PassRecord,
    Receipt,
    Revision,
    RevisionKind,
    Rewriting,
    Segment,
    SpaceDraft,
    State,
    Submission,
    VersionKind,
)
from shared.errors import VersionConflict
from tests.letters import Refused, refused

FINGERPRINT = "f" * 64
RECORD = ClaimRecord(
    documents=1,
    chunks=1,
    passes=(PassRecord(rows=1, tokens=30, padded_tokens=40, seconds=0.5),),
    closed_by="drained",
)


class Catalog:
    """Every port over one database."""

    def __init__(self, url: str) -> None:
        self.database = Database(url)
        self.collections = SqlCollections(self.database)
        self.inbox = SqlInbox(self.database)
        self.claims = SqlClaims(self.database)
        self.publications = SqlPublications(self.database)
        self.reading = SqlReading(self.database)
        self.records = SqlRecords(self.database)
        self.dead_letters = SqlDeadLetters(self.database)
        self.roster = SqlRoster(self.database)
        self.versions = SqlVersions(self.database)
        self.chores = SqlChores(self.database)
        self.waiting = SqlWaiting(self.database)
        self.measures = SqlMeasures(self.database)
        self.manifests: dict[str, Manifest] = {}

    def collection(self, name: str = "c", fingerprint: str = FINGERPRINT) -> Collection:
        card = EncoderCard(name="tiny", fingerprint=fingerprint, dimension=4, max_tokens=16)
        draft = SpaceDraft(encoder=card, metric=Metric.COSINE, chunking=Chunking())
        return self.collections.create(name, draft)

    def submit(
        self,
        *documents: NewDocument,
        collection: str = "c",
        key: str | None = None,
        content: str = "",
        lane: Lane = Lane.INTERACTIVE,
    ) -> Receipt:
        return self.inbox.accept(
            submission(*documents, collection=collection, key=key, content=content, lane=lane)
        )

    def claim(
        self,
        worker: str = "host:1",
        *,
        fingerprints: Sequence[str] = (FINGERPRINT,),
        max_lane: Lane = Lane.REBUILD,
        max_characters: int = 1_000_000,
        max_documents: int = 1000,
        lease_seconds: float = 30.0,
    ) -> Claim | None:
        return self.claims.claim(
            worker,
            fingerprints=fingerprints,
            max_lane=max_lane,
            max_characters=max_characters,
            max_documents=max_documents,
            lease_seconds=lease_seconds,
        )

    def must_claim(self, worker: str = "host:1", *, max_documents: int = 1000) -> Claim:
        claim = self.claim(worker, max_documents=max_documents)
        assert claim is not None
        return claim

    def register(self, claim: Claim, worker: str = "host:1") -> Attempt:
        collection_id = claim.revisions[0].collection_id
        return self.publications.register(
            collection_id, vectors=len(claim.revisions), claim_id=claim.id, worker=worker
        )

    def fit(self, claim: Claim, attempt: Attempt) -> Commit:
        """Decide a claim of one collection against its head, as a worker would."""
        head, live = self.publications.base(
            attempt.collection_id, [one.document_id for one in claim.revisions]
        )
        return self.commit_of(
            claim, attempt, head, settle(claim.revisions, attempt.first_vector_id, live)
        )

    def commit_of(
        self, claim: Claim, attempt: Attempt, head: Head, outcomes: tuple[Outcome, ...]
    ) -> Commit:
        commit = Commit(
            attempt=attempt, parent=head, manifest=None, claim_id=claim.id, outcomes=outcomes
        )
        added = sum(len(one.chunks) for one in outcomes)
        if not any(one.state is State.INDEXED for one in outcomes):
            return commit
        manifest, new = self._manifest(claim, attempt, head, added)
        sha = f"sha-{attempt.id}-{manifest.version}"
        self.manifests[sha] = manifest
        return replace(
            commit,
            manifest=manifest,
            manifest_file=f"{attempt.id}-{manifest.version}.json",
            manifest_sha256=sha,
            new_segments=new,
        )

    def _manifest(
        self, claim: Claim, attempt: Attempt, head: Head, added: int
    ) -> tuple[Manifest, tuple[Segment, ...]]:
        space = claim.spaces[attempt.collection_id]
        segment = Segment(
            id=f"seg-{attempt.id}",
            space_id=space.id,
            rows=added,
            min_id=attempt.first_vector_id,
            max_id=attempt.first_vector_id + max(added, 1) - 1,
            bytes=100 * added,
            sha256="s",
        )
        parent = self.manifests.get(head.manifest_sha256)
        new = (segment,) if added else ()
        manifest = Manifest(
            collection_id=attempt.collection_id,
            version=head.version + 1,
            space_id=space.id,
            dimension=4,
            metric=Metric.COSINE,
            kind=VersionKind.COMMIT,
            attempt_id=attempt.id,
            parent_sha256=head.manifest_sha256 or None,
            segments=(*(parent.segments if parent else ()), *new),
        )
        return manifest, new

    def publish(self, claim: Claim, worker: str = "host:1") -> Head:
        """Publish a claim of one collection to the end, whatever races it loses."""
        attempt = self.register(claim, worker)
        while True:
            try:
                head = self.publications.commit(self.fit(claim, attempt))
            except VersionConflict:
                continue
            self.claims.close(claim.id, RECORD)
            return head

    def refused(self) -> list[Refused]:
        """Return the refused messages that were not replayed, newest first."""
        return refused(self.dead_letters)

    def send(self, sent: Submission) -> Receipt:
        return self.inbox.accept(sent)

    def die(self, worker: str = "host:1", *, max_crashes: int = 3) -> None:
        """Let a worker end as a crash would end it."""
        self.claims.reap(worker=worker, max_crashes=max_crashes)

    def index_all(self) -> None:
        while claim := self.claim():
            self.publish(claim)

    def index(self, *documents: NewDocument) -> int:
        """Submit documents and publish them; return the version that holds them."""
        self.submit(*documents)
        self.index_all()
        return self.collections.stats()[0].version

    def attempt(self, collection: Collection, worker: str = "upkeep") -> Attempt:
        return self.publications.register(collection.id, vectors=0, claim_id=None, worker=worker)

    def tidy(self, collection: Collection, kind: VersionKind = VersionKind.MERGE) -> Head:
        """Publish a version that holds the same."""
        head = self.head(collection)
        manifest = self.manifests[head.manifest_sha256]
        return self.publications.commit(self._again(self.attempt(collection), manifest, head, kind))

    def restoring(self, collection: Collection, version: int) -> Commit:
        """Return the commit that makes the head equal to *version*."""
        old, head = self.reading.version(collection.id, version), self.head(collection)
        manifest = self.manifests.get(old.manifest_sha256) or Manifest.empty(collection)
        attempt = self.attempt(collection)
        commit = self._again(attempt, manifest, head, VersionKind.RESTORE)
        return replace(commit, restored=version, restored_sha256=old.manifest_sha256)

    def restore(self, collection: Collection, version: int) -> Head:
        return self.publications.commit(self.restoring(collection, version))

    def _again(self, attempt: Attempt, old: Manifest, head: Head, kind: VersionKind) -> Commit:
        manifest = replace(old, version=head.version + 1, kind=kind, attempt_id=attempt.id)
        sha = f"sha-{attempt.id}"
        self.manifests[sha] = manifest
        return Commit(
            attempt=attempt,
            parent=head,
            manifest=manifest,
            manifest_file=f"{attempt.id}.json",
            manifest_sha256=sha,
        )

    def rewriting(self, collection: Collection, purged: str | None = None) -> Rewriting:
        """Return new manifests for all kept versions."""
        attempt = self.attempt(collection)
        heads = tuple(
            Head(
                collection_id=collection.id,
                version=one.version,
                manifest_file=one.manifest_file,
                manifest_sha256=one.manifest_sha256,
                published_at=one.published_at,
            )
            for one in self.versions.kept(collection.id)
        )
        numbers = [head.version for head in heads]
        return Rewriting(
            attempt=attempt,
            heads=heads,
            rewritten=tuple(
                replace(one, manifest_file=f"new-{one.version}", manifest_sha256=f"n{one.version}")
                for one in heads
            ),
            vectors=dict.fromkeys(numbers, 5),
            bytes=dict.fromkeys(numbers, 500),
            segments=dict.fromkeys(numbers, 1),
            purged=purged,
        )

    def let_go(self, collection: Collection, *versions: int) -> None:
        """Expire and bury versions."""
        assert self.versions.expire(collection.id, versions) == list(versions)
        self.versions.bury(collection.id, versions)

    def texts(self, collection: Collection, version: int) -> dict[str, str]:
        """Return the texts that a version holds, by document."""
        found = self.versions.documents_at(collection.id, version, after=None, limit=1000)
        return {one.id: one.text for one in found}

    def states(self, job_id: str) -> dict[State, int]:
        return dict(self.records.job(job_id).counts)

    def head(self, collection: Collection) -> Head:
        return self.reading.heads()[collection.id]


def submission(
    *documents: NewDocument,
    collection: str = "c",
    key: str | None = None,
    content: str = "",
    lane: Lane = Lane.INTERACTIVE,
) -> Submission:
    return Submission(
        collection=collection,
        source="api",
        documents=documents,
        key=key,
        content_sha256=content,
        lane=lane,
    )


def put(name: str, text: str = "some text", *, version: int | None = None) -> NewDocument:
    return NewDocument(id=name, title=f"Title of {name}", text=text, external_version=version)


def puts(count: int, prefix: str = "d") -> list[NewDocument]:
    return [put(f"{prefix}{number}") for number in range(count)]


def gone(name: str) -> NewDocument:
    return NewDocument(id=name, kind=RevisionKind.DELETE)


def indexed(revision: Revision, vector_id: int) -> Outcome:
    """Return the revision as published; a put has one chunk over its whole text."""
    if revision.kind is RevisionKind.DELETE:
        return Outcome(revision=revision, state=State.INDEXED)
    span = ChunkSpan(vector_id=vector_id, start=0, end=len(revision.text), tokens=7)
    return Outcome(revision=revision, state=State.INDEXED, chunks=(span,))


def settle(
    revisions: Sequence[Revision], first_vector_id: int, live: dict[int, LiveRevision] | object
) -> tuple[Outcome, ...]:
    """Let the newest revision of each document win, unless what is live is newer or the same."""
    assert isinstance(live, dict)
    newest = {one.document_id: one.id for one in revisions}
    outcomes = []
    for place, one in enumerate(revisions):
        now = live.get(one.document_id)
        if newest[one.document_id] != one.id or (now and now.revision_id > one.id):
            outcomes.append(Outcome(revision=one, state=State.SUPERSEDED))
        elif now and now.kind is one.kind and now.content_sha256 == one.content_sha256:
            outcomes.append(Outcome(revision=one, state=State.UNCHANGED))
        else:
            outcomes.append(indexed(one, first_vector_id + place))
    return tuple(outcomes)
