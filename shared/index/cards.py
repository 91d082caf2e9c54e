"""`segment.json`: what a segment is and which files it has, with their checksums."""

from collections.abc import Mapping
from typing import Annotated, Self

from pydantic import Field, model_validator

from shared.domain import Metric, Policy, Segment
from shared.errors import CorruptFile
from shared.index import codec, formats
from shared.index.files import Files
from shared.index.formats import (
    Dimension,
    FolderName,
    FormatNumber,
    Identity,
    Number,
    Record,
    Sha256,
)
from shared.index.layouts import LayoutRecord

IDS = "ids.i64"
DATA = "data.faiss"
ANN = "ann.faiss"
CARD = "segment.json"

_CARD_LIMIT = 1024 * 1024


class StoredFile(Record):
    """What a file must be."""

    size: Number
    sha256: Sha256


class Card(Record):
    """What `segment.json` says."""

    format: FormatNumber
    id: FolderName
    collection_id: Identity
    attempt_id: FolderName
    space_id: Identity
    dimension: Dimension
    metric: Metric
    rows: Number
    min_id: Identity
    max_id: Identity
    spec: Annotated[str, Field(pattern=rf"^{codec.SPEC}$")]
    """FAISS's factory name of `data.faiss`."""
    written_by: str
    sources: list[FolderName]
    """The segments it was merged from."""
    files: dict[str, StoredFile]
    layout: LayoutRecord | None = None
    """Absent in format 1."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        approximate = self.layout is not None and self.layout.policy is not Policy.FLAT
        wanted = {IDS, DATA, ANN} if approximate else {IDS, DATA}
        if set(self.files) != wanted:
            raise ValueError(f"lists the files {sorted(self.files)}, not {sorted(wanted)}")
        return self


def folder_of(collection_id: int) -> str:
    """Return the key of the folder that holds a collection's segments."""
    return f"{collection_id}/segments"


def segment_of(card: Card, content: bytes, sha256: str) -> Segment:
    """Return a segment as manifests list it, from its card, the bytes of that and their sha256."""
    return Segment(
        id=card.id,
        space_id=card.space_id,
        rows=card.rows,
        min_id=card.min_id,
        max_id=card.max_id,
        bytes=len(content) + sum(file.size for file in card.files.values()),
        sha256=sha256,
        layout=card.layout.to_domain() if card.layout else None,
        format=card.format,
    )


def read(files: Files, collection_id: int, segment: Segment) -> Card:
    """Read a segment's card and compare it with what the manifest says.

    Raises:
        CorruptFile: missing, damaged, or of another segment.
    """
    key = f"{folder_of(collection_id)}/{segment.id}/{CARD}"
    card = formats.parse(Card, files.read(key, segment.sha256, limit=_CARD_LIMIT), key)
    said: Mapping[str, object] = {
        "id": segment.id,
        "collection_id": collection_id,
        "space_id": segment.space_id,
        "rows": segment.rows,
        "min_id": segment.min_id,
        "max_id": segment.max_id,
        "format": segment.format,
        "layout": LayoutRecord.of(segment.layout) if segment.layout else None,
    }
    for field, value in said.items():
        if getattr(card, field) != value:
            raise CorruptFile(f"{key}: {field} is {getattr(card, field)}, not {value}.")
    return card


def listed(files: Files, collection_id: int, name: str, sha256: str) -> Segment:
    """Return a segment as manifests list it, from its card alone.

    Raises:
        CorruptFile: the card is missing, damaged, or of another segment.
    """
    key = f"{folder_of(collection_id)}/{name}/{CARD}"
    if not formats.is_attempt(name):
        raise CorruptFile(f"{name!r} is not the name of a segment.")
    content = files.read(key, sha256, limit=_CARD_LIMIT)
    card = formats.parse(Card, content, key)
    if (card.collection_id, card.id) != (collection_id, name):
        raise CorruptFile(f"{key}: of segment {card.id} of collection {card.collection_id}.")
    return segment_of(card, content, sha256)
