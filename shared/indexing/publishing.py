"""Make a version: the loop of design.md's third decision, over ports.

Files first, each complete and fsynced under a name that starts with a registered attempt; then
one short transaction that compares and swaps the head. Whoever loses the race writes only a new
manifest. Dying at any line leaves nothing or files that no version names.
"""

import random
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from shared.domain import (
    Attempt,
    Collection,
    Commit,
    Head,
    Ids,
    LiveRevision,
    Manifest,
    Outcome,
    RevisionKind,
    Segment,
    State,
    VersionKind,
)
from shared.errors import CommitUnknown, Fenced, Retryable, SpaceChanged, VersionConflict
from shared.failpoints import reach
from shared.ports import IndexStore, Publications

_FIRST_PAUSE_SECONDS = 0.005
_PATIENCE = 5
"""Losses from where a writer stops stepping aside."""

_ASK_SECONDS = 0.25
_UNKNOWN_TRIES = 40

Live = Mapping[int, LiveRevision]


@dataclass(frozen=True, slots=True, kw_only=True)
class Publication:
    """What one attempt wants to publish, to be fitted onto whatever head it meets."""

    attempt: Attempt
    collection: Collection
    kind: VersionKind
    claim_id: int | None = None
    proposals: tuple[Outcome, ...] = ()
    """Outcomes wished for; `settle` turns them into what the head allows."""
    segment: Segment | None = None


def read_manifest(store: IndexStore, head: Head, collection: Collection) -> Manifest:
    """Return the manifest of a version; version 0 has no file.

    Raises:
        CorruptFile: missing, or not what the catalog's checksum says.
    """
    return store.read_manifest(head) if head.manifest_file else Manifest.empty(collection)


def check_space(manifest: Manifest, collection: Collection) -> None:
    """Make sure that vectors made for the space of *collection* are of use at a head.

    Raises:
        SpaceChanged: another space has become the live one meanwhile.
    """
    if manifest.space_id != collection.space.id:
        raise SpaceChanged(
            f"{collection.name!r} was swapped to another space, or restored to a version of one."
        )


def publish(
    publications: Publications, store: IndexStore, publication: Publication
) -> tuple[Head, tuple[Outcome, ...]]:
    """Publish *publication* on the newest head; return the head and what was recorded.

    Raises:
        Fenced: the attempt or its claim was taken away; nothing was published.
        SpaceChanged: it was made for a space that is not the live one any more.
        CorruptFile, IndexUnavailable, CatalogUnavailable: nothing was published.
    """
    documents = [outcome.revision.document_id for outcome in publication.proposals]

    def fit() -> Commit:
        head, live = publications.base(publication.collection.id, documents)
        return _fit(store, publication, head, live)

    commit, head = commit_until_settled(publications, publication.attempt, fit)
    return head, commit.outcomes


def commit_until_settled(
    publications: Publications, attempt: Attempt, fit: Callable[[], Commit]
) -> tuple[Commit, Head]:
    """Fit and commit again and again until this attempt has won or is fenced off.

    Raises:
        Fenced: the attempt was revoked; it is abandoned.
    """
    unknown: Commit | None = None
    losses = 0
    while True:
        commit = fit()
        reach("publish.manifest_written")
        try:
            head = publications.commit(commit)
        except VersionConflict:
            time.sleep(_pause_after(losses))
            losses += 1
        except CommitUnknown:
            unknown = commit
            if found := _ask_outcome(publications, attempt):
                return unknown, found
        except Fenced:  # perhaps by itself: the commit with the lost reply came through late
            if unknown and (found := _ask_outcome(publications, attempt)):
                return unknown, found
            publications.abandon(attempt.id)
            raise
        else:
            reach("publish.committed")
            return commit, head


def _pause_after(losses: int) -> float:
    """Return how long to let others pass, in seconds.

    Longer after each loss, since many race; but who has lost often does not wait at all, or
    newcomers, who wait least, would starve it.
    """
    if losses >= _PATIENCE:
        return 0.0
    return random.uniform(0, _FIRST_PAUSE_SECONDS * 2**losses)  # noqa: S311 - jitter


def _ask_outcome(publications: Publications, attempt: Attempt) -> Head | None:
    """Ask until the catalog says whether the attempt was committed."""
    for _ in range(_UNKNOWN_TRIES):
        try:
            return publications.outcome(attempt.id)
        except Retryable:
            time.sleep(_ASK_SECONDS)
    return publications.outcome(attempt.id)


def _fit(store: IndexStore, publication: Publication, head: Head, live: Live) -> Commit:
    """Decide every outcome against *head* and write the manifest that follows from it."""
    outcomes = settle_all(publication.proposals, live)
    if not any(outcome.state is State.INDEXED for outcome in outcomes):
        return Commit(
            attempt=publication.attempt,
            parent=head,
            manifest=None,
            claim_id=publication.claim_id,
            outcomes=outcomes,
        )
    base = read_manifest(store, head, publication.collection)
    check_space(base, publication.collection)
    segments = (*base.segments, publication.segment) if publication.segment else base.segments
    manifest = store.with_deleted(
        replace(
            base,
            version=head.version + 1,
            kind=publication.kind,
            attempt_id=publication.attempt.id,
            parent_sha256=head.manifest_sha256 or None,
            segments=segments,
        ),
        publication.attempt,
        _dead_ids(publication.proposals, outcomes, live),
    )
    file, sha256 = store.write_manifest(manifest)
    new = publication.segment
    return Commit(
        attempt=publication.attempt,
        parent=head,
        manifest=manifest,
        manifest_file=file,
        manifest_sha256=sha256,
        claim_id=publication.claim_id,
        outcomes=outcomes,
        new_segments=tuple(one for one in manifest.segments if new and one.id == new.id),
    )


def settle_all(proposals: Sequence[Outcome], live: Live) -> tuple[Outcome, ...]:
    """Settle every proposal; what waits behind a revision that did not settle waits too."""
    settled = [settle(proposal, live) for proposal in proposals]
    unsettled = {
        outcome.revision.document_id
        for outcome in settled
        if outcome.state in (State.PENDING, State.FAILED)
    }
    return tuple(
        replace(outcome, state=State.PENDING)
        if proposal.state is State.SUPERSEDED and outcome.revision.document_id in unsettled
        else outcome
        for proposal, outcome in zip(proposals, settled, strict=True)
    )


def settle(proposal: Outcome, live: Live) -> Outcome:
    """Return what becomes of a proposed outcome, given what is live at the head.

    An older revision never replaces a newer one. A revision thought unchanged whose live twin
    has gone meanwhile is given back to be encoded.
    """
    now = live.get(proposal.revision.document_id)
    if proposal.state is State.INDEXED:
        if now and now.revision_id > proposal.revision.id:
            return replace(proposal, state=State.SUPERSEDED, chunks=())
        if (
            proposal.revision.kind is RevisionKind.DELETE
            and now
            and now.kind is RevisionKind.DELETE
        ):
            return replace(proposal, state=State.UNCHANGED)
    if proposal.state is State.UNCHANGED and proposal.revision.kind is RevisionKind.PUT:
        if now and now.revision_id > proposal.revision.id:
            return replace(proposal, state=State.SUPERSEDED)
        if (
            not now
            or now.kind is RevisionKind.DELETE
            or now.content_sha256 != proposal.revision.content_sha256
        ):
            return replace(proposal, state=State.PENDING)
    return proposal


def _dead_ids(proposals: Sequence[Outcome], outcomes: Sequence[Outcome], live: Live) -> Ids:
    """Vectors that die: of every revision replaced, and of new ones that came too late."""
    dead: list[int] = []
    for proposal, outcome in zip(proposals, outcomes, strict=True):
        if outcome.state is State.INDEXED:
            now = live.get(outcome.revision.document_id)
            dead.extend(chunk.vector_id for chunk in (now.chunks if now else ()))
        else:
            dead.extend(chunk.vector_id for chunk in proposal.chunks)
    return np.array(sorted(dead), dtype=np.int64)
