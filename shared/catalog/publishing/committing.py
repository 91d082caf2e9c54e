"""The transaction that publishes a version.

Its locks come in one order: head, claim, attempt, rebuild, revisions, liveness, jobs, and last
the counters that all collections share. The compare-and-swap of the head is first, so on PostgreSQL
(READ COMMITTED) every later statement sees what the version before it committed.
"""

from collections.abc import Iterable, Sequence

from sqlalchemy import Connection, bindparam, insert, select, update

from shared.catalog.collections.collections import make_live, move_counter
from shared.catalog.engine.clock import db_now
from shared.catalog.engine.dialect import AnyRow
from shared.catalog.events.telling import tell_commit
from shared.catalog.publishing.lifetimes import hold_live
from shared.catalog.publishing.restoring import restore
from shared.catalog.publishing.settling import (
    Fixed,
    check_order,
    close_intervals,
    open_intervals,
    read_live,
    settle_revisions,
    settle_unchanged,
)
from shared.catalog.rebuilds.swap import swap_in
from shared.catalog.tables import (
    ACTIVE,
    AttemptRow,
    ClaimRow,
    HeadRow,
    SegmentRow,
    VersionRow,
)
from shared.domain import (
    Attempt,
    Commit,
    Head,
    Manifest,
    Outcome,
    RevisionKind,
    Segment,
    State,
    VersionKind,
)
from shared.errors import Fenced, VersionConflict


def publish(tx: Connection, commit: Commit) -> Head:
    """Write all of *commit*, or none of it.

    Raises:
        VersionConflict, Fenced
        VersionExpired, VersionNotFound: the version to restore is not there any more.
    """
    _check_kind(commit)
    head = _hold_head(tx, commit) if commit.manifest is None else _move_head(tx, commit)
    if commit.restored is not None:
        _hold_restored(tx, commit, commit.restored)
    _fence_claim(tx, commit)
    fixed = Fixed(head, commit_attempt(tx, commit.attempt, head.collection_id))
    live = read_live(tx, commit)
    check_order(commit, live)
    settle_revisions(tx, commit, fixed, live)
    settle_unchanged(tx, commit)
    published = [one for one in commit.outcomes if one.state is State.INDEXED]
    if commit.manifest is None:
        if published:
            msg = "A commit without a manifest cannot index documents."
            raise ValueError(msg)
        tell_commit(tx, commit, head)
        return commit.parent
    left_out = swap_in(tx, commit.completion, head) if commit.completion else []
    growth = _growth(published, live) - len(left_out)
    _insert_version(tx, commit, commit.manifest, head, growth)
    if commit.restored is not None:
        restore(tx, head.collection_id, commit.restored, head.version)
        make_live(tx, head.collection_id, commit.manifest.space_id)
    close_intervals(tx, published, head.version)
    open_intervals(tx, commit.manifest, published)
    _list_segments(tx, commit, commit.manifest)
    tell_commit(tx, commit, head, left_out)
    move_counter(tx)
    return head


def _check_kind(commit: Commit) -> None:
    rebuilds = commit.manifest is not None and commit.manifest.kind is VersionKind.REBUILD
    if rebuilds != (commit.completion is not None) or (rebuilds and commit.outcomes):
        msg = "The end of a rebuild names the rebuild and has no outcomes; nothing else does."
        raise ValueError(msg)
    restores = commit.manifest is not None and commit.manifest.kind is VersionKind.RESTORE
    if restores != (commit.restored is not None) or (restores and commit.outcomes):
        msg = "A restore names the version it restores and has no outcomes; nothing else does."
        raise ValueError(msg)


def _hold_restored(tx: Connection, commit: Commit, version: int) -> None:
    """Keep the version to restore as it was read until this transaction ends.

    Raises:
        VersionNotFound, VersionExpired
        VersionConflict: its manifest was rewritten since, by a purge or a repair.
    """
    held = hold_live(tx, commit.parent.collection_id, version)
    if held.manifest_sha256 != commit.restored_sha256:
        raise VersionConflict(f"Version {version} was rewritten meanwhile.")


def _hold_head(tx: Connection, commit: Commit) -> Head:
    """Keep the head where the outcomes were decided until they are written."""
    parent = commit.parent
    held = tx.execute(
        select(HeadRow.version, HeadRow.manifest_sha256, db_now().label("now"))
        .where(HeadRow.collection_id == parent.collection_id)
        .with_for_update()
    ).one()
    if (held.version, held.manifest_sha256) != (parent.version, parent.manifest_sha256):
        raise VersionConflict(f"Version {held.version} was published meanwhile.")
    return Head(
        collection_id=parent.collection_id,
        version=parent.version,
        manifest_file=parent.manifest_file,
        manifest_sha256=parent.manifest_sha256,
        published_at=held.now,
    )


def _move_head(tx: Connection, commit: Commit) -> Head:
    parent, version = commit.parent, commit.parent.version + 1
    if commit.manifest is not None and commit.manifest.version != version:
        msg = f"The manifest is version {commit.manifest.version}, not {version}."
        raise ValueError(msg)
    published_at = tx.scalar(
        update(HeadRow)
        .where(
            HeadRow.collection_id == parent.collection_id,
            HeadRow.version == parent.version,
            HeadRow.manifest_sha256 == parent.manifest_sha256,
        )
        .values(
            version=version,
            manifest_file=commit.manifest_file,
            manifest_sha256=commit.manifest_sha256,
            published_at=db_now(),
        )
        .returning(HeadRow.published_at)
    )
    if published_at is None:
        raise VersionConflict(f"Version {version} was published by another writer.")
    return Head(
        collection_id=parent.collection_id,
        version=version,
        manifest_file=commit.manifest_file,
        manifest_sha256=commit.manifest_sha256,
        published_at=published_at,
    )


def _fence_claim(tx: Connection, commit: Commit) -> None:
    if commit.claim_id is None:
        return
    if not tx.execute(HOLD_CLAIM, {"claim": commit.claim_id}).rowcount:
        raise Fenced(f"Claim {commit.claim_id} was taken away.")


HOLD_CLAIM = (
    update(ClaimRow)
    .where(ClaimRow.id == bindparam("claim"), ClaimRow.state == ACTIVE)
    .values(state=ACTIVE)
)


def commit_attempt(tx: Connection, attempt: Attempt, collection_id: int) -> float:
    """End an active attempt as committed; return when it began. `Fenced` if it is not active."""
    started_at: float | None = tx.scalar(
        update(AttemptRow)
        .where(
            AttemptRow.id == attempt.id,
            AttemptRow.collection_id == collection_id,
            AttemptRow.state == ACTIVE,
        )
        .values(state="committed", ended_at=db_now())
        .returning(AttemptRow.started_at)
    )
    if started_at is None:
        raise Fenced(f"Attempt {attempt.id} was revoked or has ended.")
    return started_at


def _growth(published: Iterable[Outcome], live: dict[int, AnyRow]) -> int:
    """Return by how many the live documents grow."""
    put = RevisionKind.PUT
    grown = 0
    for one in published:
        row = live.get(one.revision.document_id)
        grown += (one.revision.kind is put) - (row is not None and row.kind == put.value)
    return grown


def _insert_version(
    tx: Connection, commit: Commit, manifest: Manifest, head: Head, growth: int
) -> None:
    base = commit.parent.version if commit.restored is None else commit.restored
    before = tx.execute(
        select(VersionRow.documents).where(
            VersionRow.collection_id == head.collection_id, VersionRow.version == base
        )
    ).scalar_one()
    tx.execute(
        insert(VersionRow).values(
            collection_id=head.collection_id,
            version=head.version,
            kind=manifest.kind.value,
            parent=commit.parent.version,
            manifest_file=head.manifest_file,
            manifest_sha256=head.manifest_sha256,
            attempt_id=commit.attempt.id,
            documents=before + growth,
            vectors=manifest.live,
            segments=len(manifest.segments),
            bytes=manifest.bytes,
            published_at=head.published_at,
            state="live",
            restored=commit.restored,
            space_id=manifest.space_id,
        )
    )


def _list_segments(tx: Connection, commit: Commit, manifest: Manifest) -> None:
    listed = [one.id for one in manifest.segments]
    left = SegmentRow.last_version.is_(None) & SegmentRow.id.not_in(listed)
    back = SegmentRow.last_version.is_not(None) & SegmentRow.id.in_(listed)
    for changed, last_version in ((left, commit.parent.version), (back, None)):
        tx.execute(
            update(SegmentRow)
            .where(SegmentRow.collection_id == manifest.collection_id, changed)
            .values(last_version=last_version)
        )
    insert_segments(tx, commit.attempt, manifest.version, commit.new_segments)


def insert_segments(
    tx: Connection, attempt: Attempt, first_version: int, segments: Sequence[Segment]
) -> None:
    """Remember new segments, which *first_version* and the head list."""
    rows = [
        {
            "id": one.id,
            "collection_id": attempt.collection_id,
            "space_id": one.space_id,
            "attempt_id": attempt.id,
            "rows": one.rows,
            "min_id": one.min_id,
            "max_id": one.max_id,
            "bytes": one.bytes,
            "sha256": one.sha256,
            "first_version": first_version,
        }
        for one in segments
    ]
    if rows:
        tx.execute(insert(SegmentRow), rows)
