"""Erase what no kept version holds, a little at a time.

Text can fall out of use in two ways, each with an index of its own, so that looking costs nothing
when there is nothing. A revision that no version ever held ends as superseded, cancelled,
unchanged or failed; a failed one keeps its text until a newer one came or it is dismissed. One
that versions held is let go when the last of them is buried: that version stays `buried` until
what only it held is gone, and is `forgotten` then.
"""

import math
from bisect import bisect_left
from collections.abc import Mapping, Sequence
from types import MappingProxyType

from sqlalchemy import (
    BindParameter,
    Connection,
    Integer,
    bindparam,
    delete,
    or_,
    select,
    text,
    update,
)
from sqlalchemy.orm import aliased

from shared.catalog.content.fields import forget_fields
from shared.catalog.files.origins import forget_origins
from shared.catalog.publishing.lifetimes import pages
from shared.catalog.queue.flows import forget_idle
from shared.catalog.tables import (
    BURIED,
    KEPT_STATES,
    WAITING_STATES,
    ChunkRow,
    LivenessRow,
    RevisionRow,
    VersionRow,
)

ERASED: Mapping[str, object] = MappingProxyType(
    {"title": "", "text": "", "metadata_json": "{}", "forgotten": True}
)
"""What is written over a revision that is forgotten. Its checksums tell nothing and stay."""


def forget(tx: Connection, collection_id: int, limit: int) -> int:
    """Erase at most *limit* revisions that no kept version holds; return how many.

    If they are fewer, nothing is left to forget. Producers that have been idle for long are
    forgotten as well.
    """
    forget_idle(tx, collection_id)
    wanted = {"collection": collection_id, "most": limit}
    unheld = tx.scalars(_NEVER_HELD, wanted).all()
    _erase(tx, unheld)
    erased = len(unheld)
    for gap in _gaps(tx, collection_id):
        while erased < limit:
            ended = tx.scalars(_ENDED, wanted | gap | {"most": limit - erased}).all()
            if not ended:
                tx.execute(_FORGOTTEN, wanted | gap)
                break
            erased += _let_go(tx, sorted(set(ended)), gap)
    return erased


def _gaps(tx: Connection, collection_id: int) -> list[dict[str, int]]:
    """Return the kept neighbours, `low` and `high`, of the buried versions, each pair once.

    An interval that begins after `low` and ends by `high` is seen by no kept version. Version 0
    and the head are always kept, so every buried version lies between two.
    """
    buried = tx.scalars(_BURIED, {"collection": collection_id}).all()
    if not buried:
        return []
    kept = tx.scalars(_KEPT, {"collection": collection_id}).all()
    places = sorted({bisect_left(kept, version) for version in buried})
    return [{"low": kept[place - 1], "high": kept[place]} for place in places]


def _let_go(tx: Connection, revision_ids: Sequence[int], gap: Mapping[str, int]) -> int:
    """Drop these revisions' intervals in *gap*; erase those that have no other; return how many."""
    erased = 0
    for page in pages(revision_ids):
        unheld = set(page)
        dropped = []
        for one in tx.execute(_INTERVALS, {"ids": page}):
            if one.from_version > gap["low"] and (one.to_version or math.inf) <= gap["high"]:
                dropped.append({"revision": one.revision_id, "since": one.from_version})
            else:
                unheld.discard(one.revision_id)
        # By their keys, one by one: a range may send PostgreSQL through a whole index.
        if dropped:
            tx.execute(_DROP_INTERVAL, dropped)
        tx.execute(_DROP_CHUNKS, {"ids": list(unheld)})
        _erase(tx, list(unheld))
        erased += len(unheld)
    return erased


def _erase(tx: Connection, revision_ids: Sequence[int]) -> None:
    forget_fields(tx, revision_ids)
    for page in pages(revision_ids):
        tx.execute(_ERASE, {"ids": page})
    forget_origins(tx, revision_ids)


_most: BindParameter[int] = bindparam("most", type_=Integer())
_newer = aliased(RevisionRow, name="newer")
_overtaken = (
    select(_newer.id)
    .where(
        _newer.document_id == RevisionRow.document_id,
        _newer.id > RevisionRow.id,
        _newer.state.not_in(WAITING_STATES),
    )
    .exists()
)
# The first two conditions are those of the partial index, word by word.
_NEVER_HELD = (
    select(RevisionRow.id)
    .where(
        text("revisions.state IN ('superseded', 'cancelled', 'unchanged', 'failed')"),
        text("NOT revisions.forgotten"),
        RevisionRow.collection_id == bindparam("collection"),
        or_(
            RevisionRow.state != "failed",
            # One that a version held was left out at the end of a rebuild.
            RevisionRow.version.is_(None) & or_(RevisionRow.dismissed_at.is_not(None), _overtaken),
        ),
    )
    .limit(_most)
)
_BURIED = (
    select(VersionRow.version)
    .where(VersionRow.collection_id == bindparam("collection"), VersionRow.state == BURIED)
    .order_by(VersionRow.version)
)
_KEPT = (
    select(VersionRow.version)
    .where(VersionRow.collection_id == bindparam("collection"), VersionRow.state.in_(KEPT_STATES))
    .order_by(VersionRow.version)
)
_ENDED = (
    select(LivenessRow.revision_id)
    .where(
        LivenessRow.collection_id == bindparam("collection"),
        LivenessRow.from_version > bindparam("low"),
        LivenessRow.to_version > bindparam("low"),
        LivenessRow.to_version <= bindparam("high"),
    )
    .limit(_most)
)
_DROP_INTERVAL = delete(LivenessRow).where(
    LivenessRow.revision_id == bindparam("revision"),
    LivenessRow.from_version == bindparam("since"),
)
_INTERVALS = select(
    LivenessRow.revision_id, LivenessRow.from_version, LivenessRow.to_version
).where(LivenessRow.revision_id.in_(bindparam("ids", expanding=True)))
_DROP_CHUNKS = delete(ChunkRow).where(ChunkRow.revision_id.in_(bindparam("ids", expanding=True)))
_ERASE = (
    update(RevisionRow).where(RevisionRow.id.in_(bindparam("ids", expanding=True))).values(**ERASED)
)
_FORGOTTEN = (
    update(VersionRow)
    .where(
        VersionRow.collection_id == bindparam("collection"),
        VersionRow.version > bindparam("low"),
        VersionRow.version < bindparam("high"),
        VersionRow.state == BURIED,
    )
    .values(state="forgotten")
)
