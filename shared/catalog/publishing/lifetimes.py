"""Which versions are there, and what is live in them: conditions that many statements share."""

from collections.abc import Iterator, Sequence
from typing import TypeVar

from sqlalchemy import (
    ColumnElement,
    Connection,
    ScalarSelect,
    SQLColumnExpression,
    bindparam,
    func,
    or_,
    select,
)

from shared.catalog.engine.dialect import AnyRow
from shared.catalog.tables import LivenessRow, SpaceRow, VersionRow
from shared.errors import VersionExpired, VersionNotFound

T = TypeVar("T")

_PAGE = 1000  # values in one statement; SQLite allows 32,766 parameters, PostgreSQL 65,535


def live_at(
    interval: type[LivenessRow], version: int | SQLColumnExpression[int]
) -> tuple[ColumnElement[bool], ...]:
    """Return the conditions under which *interval* covers *version*."""
    open_then = or_(interval.to_version.is_(None), interval.to_version > version)
    return interval.from_version <= version, open_then


def space_at(collection_id: int, version: int) -> ScalarSelect[int]:
    """Return the space of a version's vectors, as SQL."""
    live = select(SpaceRow.id).where(SpaceRow.collection_id == collection_id, SpaceRow.live)
    own = select(VersionRow.space_id).where(
        VersionRow.collection_id == collection_id, VersionRow.version == version
    )
    return select(func.coalesce(own.scalar_subquery(), live.scalar_subquery())).scalar_subquery()


def require_live(version: int, row: AnyRow | None) -> AnyRow:
    """Return the *row* of a version (None for one that never was) if it can still be read.

    Raises:
        VersionNotFound: never published.
        VersionExpired: the retention rule let it go.
    """
    if row is None:
        raise VersionNotFound(f"There is no version {version}.")
    if row.state != "live":
        raise VersionExpired(f"Version {version} is no longer kept.")
    return row


def hold_live(tx: Connection, collection_id: int, version: int) -> AnyRow:
    """Keep a version from expiring until this transaction ends; return its row.

    Raises:
        VersionNotFound, VersionExpired
    """
    found = tx.execute(_HOLD, {"collection": collection_id, "wanted": version})
    return require_live(version, found.one_or_none())


_HOLD = (
    select(VersionRow.state, VersionRow.manifest_sha256)
    .where(
        VersionRow.collection_id == bindparam("collection"),
        VersionRow.version == bindparam("wanted"),
    )
    .with_for_update(read=True)
)


def pages(values: Sequence[T]) -> Iterator[list[T]]:
    """Cut *values* into lists that one statement can take."""
    for start in range(0, len(values), _PAGE):
        yield list(values[start : start + _PAGE])
