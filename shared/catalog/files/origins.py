"""The files that texts were read from.

An origin belongs to a text of a document, not to a revision: another revision that says the same,
with other metadata or after a restore, has it too. It goes when the last revision with this text is
forgotten, and with it what kept the bytes of the file.
"""

import json
from collections.abc import Iterable, Mapping, Sequence

from sqlalchemy import ColumnElement, Connection, bindparam, delete, exists, insert, literal, select

from shared.catalog.engine.dialect import AnyRow, insert_new
from shared.catalog.publishing.lifetimes import pages
from shared.catalog.tables import DocumentRow, OriginRow, RevisionRow
from shared.domain import FileKind, Origin, Parsed, PlaceKind

ORIGIN = (
    OriginRow.file.label("origin_file"),
    OriginRow.file_kind.label("origin_file_kind"),
    OriginRow.place_kind.label("origin_place_kind"),
    OriginRow.marks.label("origin_marks"),
)
"""Columns that `origin_of` reads."""


def is_of(revision: type[RevisionRow]) -> ColumnElement[bool]:
    """Return the condition that an origin is that of *revision*'s text."""
    return (OriginRow.document_id == revision.document_id) & (
        OriginRow.text_sha256 == revision.text_sha256
    )


def origin_of(row: AnyRow) -> Origin | None:
    """Return the origin that a row with `ORIGIN` tells of; None if it has none."""
    if row.origin_file is None:
        return None
    kind = row.origin_place_kind
    return Origin(
        file=row.origin_file,
        file_kind=FileKind(row.origin_file_kind),
        place_kind=None if kind is None else PlaceKind(kind),
        marks=tuple((int(start), str(label)) for start, label in json.loads(row.origin_marks)),
    )


def store_origins(
    tx: Connection, collection_id: int, parsed: Sequence[Parsed], upload_id: str | None
) -> None:
    """Remember what texts were read from.

    Args:
        tx: the transaction in which their documents were accepted.
        collection_id: of the documents.
        parsed: what was read.
        upload_id: whose bytes are to be kept for them; None to keep none.
    """
    ids = _ids(tx, collection_id, [one.document.id for one in parsed])
    rows: Mapping[tuple[int, str], dict[str, object]] = {
        (ids[one.document.id], one.document.text_sha256): _row(one, upload_id) for one in parsed
    }
    if not rows:
        return
    new = insert_new(tx.dialect.name, OriginRow)
    columns = ("file", "file_kind", "place_kind", "marks", "upload_id")
    upsert = new.on_conflict_do_update(
        index_elements=["document_id", "text_sha256"],
        set_={name: new.excluded[name] for name in columns},
    )
    tx.execute(
        upsert,
        [
            {"document_id": document, "text_sha256": text} | row
            for (document, text), row in rows.items()
        ],
    )


def carry_origin(tx: Connection, document_id: int, old: str, new: str) -> None:
    """Let a text that differs only by its title have the origin that it had before.

    Args:
        tx: the transaction of the change.
        document_id: whose.
        old: sha256 of title and text as they were.
        new: as they are.
    """
    has_one = exists().where(OriginRow.document_id == document_id, OriginRow.text_sha256 == new)
    kept = select(
        OriginRow.document_id,
        literal(new),
        OriginRow.file,
        OriginRow.file_kind,
        OriginRow.place_kind,
        OriginRow.marks,
        OriginRow.upload_id,
    ).where(OriginRow.document_id == document_id, OriginRow.text_sha256 == old, ~has_one)
    names = ["document_id", "text_sha256", "file", "file_kind", "place_kind", "marks", "upload_id"]
    tx.execute(insert(OriginRow).from_select(names, kept))


def forget_origins(tx: Connection, revision_ids: Sequence[int]) -> None:
    """Let go of the origins of texts that were just erased, unless a revision still has them."""
    for page in pages(revision_ids):
        tx.execute(_FORGET, {"ids": page})


def _ids(tx: Connection, collection_id: int, names: Iterable[str]) -> dict[str, int]:
    found: dict[str, int] = {}
    for page in pages(sorted(set(names))):
        rows = tx.execute(_IDS, {"collection": collection_id, "names": page})
        found |= {row.external_id: row.id for row in rows}
    return found


def _row(parsed: Parsed, upload_id: str | None) -> dict[str, object]:
    origin = parsed.origin
    return {
        "file": origin.file,
        "file_kind": origin.file_kind.value,
        "place_kind": None if origin.place_kind is None else origin.place_kind.value,
        "marks": json.dumps(origin.marks, ensure_ascii=False, separators=(",", ":")),
        "upload_id": upload_id,
    }


_IDS = select(DocumentRow.id, DocumentRow.external_id).where(
    DocumentRow.collection_id == bindparam("collection"),
    DocumentRow.external_id.in_(bindparam("names", expanding=True)),
)
_erased = select(RevisionRow.document_id).where(
    RevisionRow.id.in_(bindparam("ids", expanding=True))
)
_FORGET = delete(OriginRow).where(
    OriginRow.document_id.in_(_erased),
    ~exists().where(
        RevisionRow.document_id == OriginRow.document_id,
        RevisionRow.text_sha256 == OriginRow.text_sha256,
        ~RevisionRow.forgotten,
    ),
)
