"""Metadata as rows: one for each value at each path, so that filters can be indexed.

Every revision that puts a document has a row at the root, whose kind is OBJECT; or LIST where its
metadata hold so many values that they are not filed: a filter reads those as they are. A text
has its first characters indexed, and beside them, if it is longer, all of it.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence

from sqlalchemy import Connection, bindparam, delete, insert, select, text, update

from shared.catalog.engine.dialect import AnyRow
from shared.catalog.publishing.lifetimes import pages
from shared.catalog.tables import FieldRow, RevisionRow
from shared.domain import Json, Metadata, RevisionKind, State
from shared.domain.filters import Kind, Path, as_number, kind_of

HEAD = 256
"""Characters of a text that are indexed; PostgreSQL's index rows hold 2,704 bytes at most."""

ROOT = ""
"""The path of the metadata themselves."""

FILED = Kind.OBJECT.value
"""Kind of a root whose values have rows."""

UNFILED = Kind.LIST.value
"""Kind of a root whose values are too many for rows."""

MOST = 500
"""Values of one revision that are filed: a submission may hold a thousand documents."""

_LONGEST_PATH = 255  # bytes
_STEP = 500  # revisions in one transaction
_FILED_STATES = (State.PENDING, State.CLAIMED, State.INDEXED, State.WITHDRAWN, State.FAILED)
"""Of revisions that versions hold, or may hold one day."""


def file_job(tx: Connection, job_id: str, *, behind: int = 0) -> None:
    """File the metadata of the waiting revisions of a job, those behind a revision."""
    _file(tx, tx.execute(_OF_JOB, {"job": job_id, "behind": behind}).all())


def file_some(tx: Connection, collection_id: int | None = None) -> bool:
    """File some revisions that an earlier Lamina stored; return whether there were any."""
    wanted = select(*_COLUMNS).where(_UNFILTERABLE).order_by(RevisionRow.id).limit(_STEP)
    if collection_id is not None:
        wanted = wanted.where(RevisionRow.collection_id == collection_id)
    # Of two that do this at once, PostgreSQL lets the second wait, and then it finds these done.
    rows = tx.execute(wanted.with_for_update()).all()
    _file(tx, [row for row in rows if row.state in _FILED_STATES and not row.forgotten])
    for page in pages([row.id for row in rows]):
        tx.execute(_FILED, {"ids": page})
    return bool(rows)


def has_unfiled(tx: Connection, collection_id: int) -> bool:
    """Whether the collection has revisions that are not filed."""
    wanted = select(RevisionRow.id).where(_UNFILTERABLE, RevisionRow.collection_id == collection_id)
    return tx.scalar(wanted.limit(1)) is not None


def forget_fields(tx: Connection, revision_ids: Sequence[int]) -> None:
    """Erase the rows of revisions whose metadata are erased."""
    for page in pages(revision_ids):
        tx.execute(_FORGET, {"ids": page})


def path_key(path: Path) -> str:
    """Return the path as rows hold it: a JSON pointer, or its hash where that is long."""
    pointer = "".join(f"/{_storable(one).replace('~', '~0').replace('/', '~1')}" for one in path)
    raw = pointer.encode()
    return pointer if len(raw) <= _LONGEST_PATH else f"#{hashlib.sha256(raw).hexdigest()}"


def rows_of(metadata: Metadata) -> list[dict[str, object]]:
    """Return the rows of one revision's metadata, its root first."""
    root: dict[str, object] = {"path": ROOT, "kind": FILED, "number": None, "text": None}
    rows: dict[tuple[object, ...], dict[str, object]] = {}
    for path, value in _values(metadata, ()):
        row = _row(path, value)
        rows.setdefault(tuple(row.values()), row)
        if len(rows) > MOST:
            return [root | {"kind": UNFILED, "whole": None}]
    return [root | {"whole": None}, *rows.values()]


def _file(tx: Connection, revisions: Sequence[AnyRow]) -> None:
    rows = [
        {"revision_id": one.id, "place": place, "collection_id": one.collection_id, **row}
        for one in revisions
        for place, row in enumerate(rows_of(json.loads(one.metadata_json)))
    ]
    if rows:
        tx.execute(insert(FieldRow), rows)


def _values(value: Json, path: Path) -> Iterator[tuple[Path, Json]]:
    """Yield every value below *path* that a path leads to, objects and empty lists too."""
    if isinstance(value, list) and value:
        for one in value:
            yield from _values(one, path)
        return
    if path:
        yield path, value
    if isinstance(value, Mapping):
        for name, inner in value.items():
            yield from _values(inner, (*path, name))


def _row(path: Path, value: Json) -> dict[str, object]:
    kind = kind_of(value)
    content = _storable(value) if isinstance(value, str) else None
    return {
        "path": path_key(path),
        "kind": kind.value,
        "number": as_number(value) if kind is Kind.NUMBER else None,  # type: ignore[arg-type]  # a number
        "text": None if content is None else content[:HEAD],
        "whole": content if content is not None and len(content) > HEAD else None,
    }


def _storable(content: str) -> str:
    """Return a text without NUL, which PostgreSQL cannot hold; nothing new has any."""
    return content.replace("\x00", "\x01")


_COLUMNS = (
    RevisionRow.id,
    RevisionRow.collection_id,
    RevisionRow.state,
    RevisionRow.forgotten,
    RevisionRow.metadata_json,
)
# As the partial index says it, word by word.
_UNFILTERABLE = text("NOT revisions.filterable")
_OF_JOB = (
    select(*_COLUMNS)
    .where(
        RevisionRow.job_id == bindparam("job"),
        RevisionRow.id > bindparam("behind"),
        RevisionRow.state == State.PENDING.value,
        RevisionRow.kind == RevisionKind.PUT.value,
    )
    .order_by(RevisionRow.id)
)
_FILED = (
    update(RevisionRow)
    .where(RevisionRow.id.in_(bindparam("ids", expanding=True)))
    .values(filterable=True)
)
_FORGET = delete(FieldRow).where(FieldRow.revision_id.in_(bindparam("ids", expanding=True)))
