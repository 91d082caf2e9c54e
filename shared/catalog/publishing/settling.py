"""What a commit writes of revisions: how each ended, and which are live from when to when."""

import json
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, bindparam, insert, select, update

from shared.catalog.engine.dialect import AnyRow
from shared.catalog.tables import CLAIMED, PENDING, ChunkRow, LivenessRow, RevisionRow
from shared.domain import Commit, Head, Manifest, Outcome, RevisionKind, State
from shared.errors import Fenced, VersionConflict


@dataclass(frozen=True, slots=True)
class Fixed:
    """What the first statements established."""

    head: Head
    started_at: float
    """When the attempt was registered: its documents were encoded by then."""


def read_live(tx: Connection, commit: Commit) -> dict[int, AnyRow]:
    """Return the open interval of each document in the commit, by document id."""
    documents = {one.revision.document_id for one in commit.outcomes}
    rows = tx.execute(_LIVE, {"documents": list(documents)})
    return {row.document_id: row for row in rows}


_LIVE = select(
    LivenessRow.document_id,
    LivenessRow.settled_id,
    LivenessRow.kind,
    LivenessRow.from_version,
).where(
    LivenessRow.document_id.in_(bindparam("documents", expanding=True)),
    LivenessRow.to_version.is_(None),
)


def check_order(commit: Commit, live: dict[int, AnyRow]) -> None:
    """Refuse to publish a revision where a newer one is live or was found unchanged.

    The latter moves no head, so the compare-and-swap alone would not notice it.
    """
    for one in commit.outcomes:
        row = live.get(one.revision.document_id)
        settles = one.state is State.INDEXED or _is_unchanged_put(one)
        if settles and row is not None and row.settled_id > one.revision.id:
            raise VersionConflict(f"A newer revision of {one.revision.external_id!r} came first.")


def _is_unchanged_put(outcome: Outcome) -> bool:
    return outcome.state is State.UNCHANGED and outcome.revision.kind is RevisionKind.PUT


def settle_revisions(tx: Connection, commit: Commit, fixed: Fixed, live: dict[int, AnyRow]) -> None:
    """Write the outcome of each claimed revision; those that end alike share a statement."""
    alike: defaultdict[tuple[tuple[str, object], ...], list[int]] = defaultdict(list)
    for one in commit.outcomes:
        row = live.get(one.revision.document_id)
        values = _stamps(one, fixed, row.from_version if row is not None else None)
        alike[tuple(values.items())].append(one.revision.id)
    for ending, ids in alike.items():
        written = tx.execute(
            update(RevisionRow)
            .where(
                RevisionRow.id.in_(ids),
                RevisionRow.claim_id == commit.claim_id,
                RevisionRow.state == CLAIMED,
            )
            .values(**dict(ending))
        ).rowcount
        if written != len(ids):
            raise Fenced("A revision is no longer held by this claim.")


def _stamps(outcome: Outcome, fixed: Fixed, live_since: int | None) -> dict[str, object]:
    warnings = json.dumps(outcome.warnings, ensure_ascii=False) if outcome.warnings else None
    values: dict[str, object] = {
        "state": outcome.state.value,
        "error": outcome.error,
        "warnings": warnings,
    }
    if outcome.state is State.PENDING:
        return {"state": State.PENDING.value, "claim_id": None}
    if outcome.state is State.UNCHANGED:
        values |= {"version": live_since, "published_at": fixed.head.published_at}
    if outcome.state is State.INDEXED:
        values |= {"version": fixed.head.version, "published_at": fixed.head.published_at}
        values |= {"encoded_at": fixed.started_at} if outcome.chunks else {}
    return values


def settle_unchanged(tx: Connection, commit: Commit) -> None:
    """Let the live interval answer for what said the same; end the older ones that wait."""
    for one in commit.outcomes:
        if one.state is State.UNCHANGED:
            tx.execute(
                update(LivenessRow)
                .where(
                    LivenessRow.document_id == one.revision.document_id,
                    LivenessRow.to_version.is_(None),
                    LivenessRow.settled_id < one.revision.id,
                )
                .values(settled_id=one.revision.id)
            )
    newest: dict[int, int] = {}
    for one in commit.outcomes:
        if one.state in (State.INDEXED, State.UNCHANGED):
            document = one.revision.document_id
            newest[document] = max(newest.get(document, 0), one.revision.id)
    waiting = tx.execute(_WAITING, {"documents": list(newest)})
    older = [row.id for row in waiting if row.id < newest[row.document_id]]
    if older:
        tx.execute(
            update(RevisionRow)
            .where(RevisionRow.id.in_(older), RevisionRow.state == PENDING)
            .values(state=State.SUPERSEDED.value)
        )


_WAITING = select(RevisionRow.id, RevisionRow.document_id).where(
    RevisionRow.document_id.in_(bindparam("documents", expanding=True)),
    RevisionRow.state == PENDING,
)


def close_intervals(tx: Connection, published: Sequence[Outcome], version: int) -> None:
    """End what the published revisions replace at *version*."""
    documents = [one.revision.document_id for one in published]
    if documents:
        tx.execute(_CLOSE_INTERVALS, {"documents": documents, "until": version})


_CLOSE_INTERVALS = (
    update(LivenessRow)
    .where(
        LivenessRow.document_id.in_(bindparam("documents", expanding=True)),
        LivenessRow.to_version.is_(None),
    )
    .values(to_version=bindparam("until"))
)
_INSERT_LIVENESS = insert(LivenessRow)
_INSERT_CHUNK = insert(ChunkRow)


def open_intervals(tx: Connection, manifest: Manifest, published: Sequence[Outcome]) -> None:
    """Make the published revisions live from the manifest's version on, and store their chunks."""
    intervals = [
        {
            "revision_id": one.revision.id,
            "document_id": one.revision.document_id,
            "collection_id": one.revision.collection_id,
            "kind": one.revision.kind.value,
            "from_version": manifest.version,
            "settled_id": one.revision.id,
        }
        for one in published
    ]
    chunks = [
        {
            "vector_id": chunk.vector_id,
            "revision_id": one.revision.id,
            "space_id": manifest.space_id,
            "ordinal": ordinal,
            "begins": chunk.start,
            "ends": chunk.end,
            "tokens": chunk.tokens,
        }
        for one in published
        for ordinal, chunk in enumerate(one.chunks)
    ]
    if intervals:
        tx.execute(_INSERT_LIVENESS, intervals)
    if chunks:
        tx.execute(_INSERT_CHUNK, chunks)
