"""The transaction that gives versions new manifests under their old numbers.

Its locks come in the order of a commit: head, attempt, versions, then, with a purge, the rebuild
and what the purge takes, and last the counter.
"""

from collections.abc import Mapping

from sqlalchemy import Connection, bindparam, select, update

from shared.catalog.collections.collections import move_counter
from shared.catalog.publishing.committing import commit_attempt, insert_segments
from shared.catalog.publishing.purging import purge
from shared.catalog.rebuilds.claims import RUNNING
from shared.catalog.rebuilds.parts import insert_part, read_parts, replace_parts
from shared.catalog.tables import KEPT_STATES, HeadRow, RebuildRow, VersionRow
from shared.domain import Head, Rewriting
from shared.errors import VersionConflict


def rewrite(tx: Connection, rewriting: Rewriting) -> None:
    """Write all of *rewriting*, or none of it.

    Raises:
        VersionConflict, Fenced
        DocumentNotFound: there is no document to purge.
    """
    collection_id = rewriting.attempt.collection_id
    head = _hold_head(tx, collection_id)
    commit_attempt(tx, rewriting.attempt, collection_id)
    _compare(rewriting, _kept(tx, collection_id))
    changed = {one.version: one for one in rewriting.rewritten}
    for version in sorted(changed):
        tx.execute(_REWRITE, {"collection": collection_id, **_values(rewriting, changed[version])})
    if moved := changed.get(head):
        tx.execute(
            update(HeadRow)
            .where(HeadRow.collection_id == collection_id)
            .values(manifest_file=moved.manifest_file, manifest_sha256=moved.manifest_sha256)
        )
    insert_segments(tx, rewriting.attempt, min(changed, default=head), rewriting.new_segments)
    if rewriting.purged is not None:
        _rewrite_parts(tx, rewriting)
        purge(tx, rewriting.attempt, rewriting.purged)
    move_counter(tx)


def _rewrite_parts(tx: Connection, rewriting: Rewriting) -> None:
    """Give a rebuild that is under way its segments without the document.

    Raises:
        VersionConflict: they are not those that were read.
    """
    rebuild = tx.execute(_HOLD_REBUILD, {"of": rewriting.attempt.collection_id}).one_or_none()
    parts = read_parts(tx, rebuild.space_id) if rebuild else ()
    if {one.id for one in parts} != set(rewriting.parts):
        raise VersionConflict("The new space of a rebuild was changed meanwhile.")
    replace_parts(tx, list(rewriting.new_parts))
    for segment in rewriting.new_parts.values():
        if segment is not None:
            insert_part(tx, rewriting.attempt, segment)


_HOLD_REBUILD = (
    select(RebuildRow.space_id)
    .where(RebuildRow.collection_id == bindparam("of"), RUNNING)
    .with_for_update()
)


def _hold_head(tx: Connection, collection_id: int) -> int:
    """Keep other writers from publishing; return the head's version."""
    return tx.execute(
        select(HeadRow.version).where(HeadRow.collection_id == collection_id).with_for_update()
    ).scalar_one()


def _kept(tx: Connection, collection_id: int) -> dict[int, str]:
    """Return the manifest checksum of each version that has files, locked."""
    rows = tx.execute(
        select(VersionRow.version, VersionRow.manifest_sha256)
        .where(
            VersionRow.collection_id == collection_id,
            VersionRow.state.in_(KEPT_STATES),
            VersionRow.version > 0,
        )
        .order_by(VersionRow.version)
        .with_for_update()
    )
    return {row.version: row.manifest_sha256 for row in rows}


def _compare(rewriting: Rewriting, kept: Mapping[int, str]) -> None:
    read = {one.version: one.manifest_sha256 for one in rewriting.heads}
    if not {one.version for one in rewriting.rewritten} <= read.keys():
        msg = "A version is rewritten that was not read."
        raise ValueError(msg)
    if read != kept:
        raise VersionConflict("Versions were published, let go or rewritten meanwhile.")


_REWRITE = (
    update(VersionRow)
    .where(
        VersionRow.collection_id == bindparam("collection"),
        VersionRow.version == bindparam("number"),
    )
    .values(
        manifest_file=bindparam("file"),
        manifest_sha256=bindparam("sha256"),
        vectors=bindparam("live"),
        bytes=bindparam("size"),
        segments=bindparam("listed"),
    )
)


def _values(rewriting: Rewriting, head: Head) -> dict[str, object]:
    return {
        "number": head.version,
        "file": head.manifest_file,
        "sha256": head.manifest_sha256,
        "live": rewriting.vectors[head.version],
        "size": rewriting.bytes[head.version],
        "listed": rewriting.segments[head.version],
    }
