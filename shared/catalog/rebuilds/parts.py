"""The segments of a space that is being built; no manifest lists them yet."""

from collections.abc import Sequence

from sqlalchemy import Connection, bindparam, delete, insert, select

from shared.catalog.publishing.lifetimes import pages
from shared.catalog.tables import PartRow
from shared.domain import Attempt, Segment
from shared.errors import VersionConflict


def read_parts(tx: Connection, space_id: int) -> tuple[Segment, ...]:
    """Return the segments of a space that is being built, oldest vectors first."""
    rows = tx.execute(_PARTS, {"space": space_id})
    return tuple(
        Segment(
            id=row.id,
            space_id=row.space_id,
            rows=row.rows,
            min_id=row.min_id,
            max_id=row.max_id,
            bytes=row.bytes,
            sha256=row.sha256,
        )
        for row in rows
    )


def replace_parts(tx: Connection, ids: Sequence[str]) -> None:
    """Take parts out.

    Raises:
        VersionConflict: one of them is not there any more.
    """
    gone = sum(
        tx.execute(delete(PartRow).where(PartRow.id.in_(page))).rowcount for page in pages(ids)
    )
    if gone != len(ids):
        raise VersionConflict("Another writer changed the new space meanwhile.")


def insert_part(tx: Connection, attempt: Attempt, segment: Segment) -> None:
    """Add a part."""
    tx.execute(
        insert(PartRow).values(
            id=segment.id,
            space_id=segment.space_id,
            attempt_id=attempt.id,
            sha256=segment.sha256,
            rows=segment.rows,
            min_id=segment.min_id,
            max_id=segment.max_id,
            bytes=segment.bytes,
        )
    )


_PARTS = (
    select(PartRow.__table__)
    .where(PartRow.space_id == bindparam("space"))
    .order_by(PartRow.min_id, PartRow.id)
)
