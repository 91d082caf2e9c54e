"""Segments: a folder of immutable files, described by its `segment.json`.

`ids.i64` holds the vector ids, rising int64 without a header; `data.faiss` a flat fp16 index of
the vectors in that order, which serves search and, since its codes are raw, every reader of
vectors; `segment.json` the size and checksum of both.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Annotated
from uuid import uuid4

import numpy as np
from pydantic import Field

from shared.domain import Attempt, Ids, Manifest, Metric, Segment, Vectors
from shared.errors import CorruptFile
from shared.index import codec, formats
from shared.index.drafts import Sink, Stamp
from shared.index.files import Files
from shared.index.formats import (
    FORMAT,
    Dimension,
    FolderName,
    FormatNumber,
    Identity,
    Number,
    Record,
    Sha256,
)

IDS = "ids.i64"
DATA = "data.faiss"
CARD = "segment.json"

_CARD_LIMIT = 1024 * 1024


class _File(Record):
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
    files: dict[str, _File]


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """What a new segment shall hold."""

    space_id: int
    dimension: int
    metric: Metric
    ids: Ids
    """Rising."""
    fill: Callable[[Sink], None]
    """Writes `data.faiss`, with a vector for each id."""
    sources: tuple[str, ...] = ()


def folder_of(collection_id: int) -> str:
    """Return the key of the folder that holds a collection's segments."""
    return f"{collection_id}/segments"


def new_name(attempt: Attempt) -> str:
    """Return a name never used before that begins with the attempt's id."""
    return f"{formats.checked_attempt(attempt.id)}-{uuid4().hex[:12]}"


def write(files: Files, attempt: Attempt, draft: Draft) -> Segment:
    """Write a segment; complete and durable on return.

    Raises:
        IndexUnavailable: the disk is full or failed.
    """
    name = new_name(attempt)
    with files.new_folder(f"{folder_of(attempt.collection_id)}/{name}") as folder:
        ids = folder.create(IDS)
        ids.write(draft.ids.astype("<i8").data.cast("B"))
        vectors = folder.create(DATA)
        draft.fill(vectors)
        card = Card(
            format=FORMAT,
            id=name,
            collection_id=attempt.collection_id,
            attempt_id=attempt.id,
            space_id=draft.space_id,
            dimension=draft.dimension,
            metric=draft.metric,
            rows=len(draft.ids),
            min_id=int(draft.ids[0]),
            max_id=int(draft.ids[-1]),
            spec=codec.SPEC,
            written_by=codec.WRITER,
            sources=list(draft.sources),
            files={IDS: _file(ids), DATA: _file(vectors)},
        )
        described = folder.create(CARD)
        described.write(card.model_dump_json(indent=1).encode())
    return Segment(
        id=name,
        space_id=card.space_id,
        rows=card.rows,
        min_id=card.min_id,
        max_id=card.max_id,
        bytes=ids.stamp.size + vectors.stamp.size + described.stamp.size,
        sha256=described.stamp.sha256,
    )


def from_vectors(space_id: int, metric: Metric, ids: Ids, vectors: Vectors) -> Draft:
    """Return a draft of *vectors*, `(rows, dimension)` float32, under rising *ids*.

    Raises:
        ValueError: shapes differ or are empty, ids do not rise, or fp16 cannot hold a value.
    """
    if vectors.ndim != 2 or ids.shape != vectors.shape[:1] or not vectors.size:  # noqa: PLR2004
        raise ValueError(f"{ids.shape} ids do not fit {vectors.shape} vectors.")
    if ids[0] < 0 or not (ids[1:] > ids[:-1]).all():
        raise ValueError("Vector ids must be positive and rising.")
    if not (np.abs(vectors) <= codec.LARGEST).all():  # false for NaN as well
        raise ValueError(f"A vector is not finite or passes {codec.LARGEST}, the most of fp16.")
    index = codec.new_index(vectors.shape[1], metric)
    index.add(np.ascontiguousarray(vectors, dtype=np.float32))
    return Draft(
        space_id=space_id,
        dimension=vectors.shape[1],
        metric=metric,
        ids=ids,
        fill=lambda sink: codec.write_index(index, sink),
    )


class OpenSegment:
    """A segment whose card is verified, and whose files are when first touched.

    Safe for many threads: at worst two of them map the same file.
    """

    def __init__(self, files: Files, collection_id: int, segment: Segment) -> None:
        self._files = files
        self.key = f"{folder_of(collection_id)}/{segment.id}"
        self.card = read_card(files, collection_id, segment)

    @cached_property
    def ids(self) -> Ids:
        """Vector ids by position, rising; mapped.

        Raises:
            CorruptFile: the file is missing or damaged.
        """
        key, stamp = self._file(IDS)
        mapped = self._files.map(key, stamp)
        if mapped.size != 8 * self.card.rows:
            raise CorruptFile(f"{key}: {mapped.size} bytes for {self.card.rows} ids.")
        ids = mapped.view("<i8")
        ends = int(ids[0]), int(ids[-1])
        if ends != (self.card.min_id, self.card.max_id) or not (ids[1:] > ids[:-1]).all():
            raise CorruptFile(f"{key}: its ids are not rising as {CARD} says.")
        return ids

    @cached_property
    def codes(self) -> codec.Codes:
        """Vectors at rest by position; mapped.

        Raises:
            CorruptFile: the file is missing or damaged.
        """
        key, stamp = self._file(DATA)
        card = self.card
        try:
            return codec.codes_of(
                self._files.map(key, stamp), rows=card.rows, dimension=card.dimension
            )
        except ValueError as error:
            raise CorruptFile(f"{key}: {error}") from error

    @cached_property
    def index(self) -> codec.FaissIndex:
        """The flat FAISS index over the mapped codes; valid while this object lives.

        Raises:
            CorruptFile: the file is missing or damaged.
        """
        key, stamp = self._file(DATA)
        self._mapped = self._files.map(key, stamp)
        try:
            index = codec.read_index(self._mapped)
        except ValueError as error:
            raise CorruptFile(f"{key}: {error}") from error
        card = self.card
        flat = codec.new_index(card.dimension, card.metric)
        found = index.ntotal, index.d, index.code_size, index.metric_type
        if found != (card.rows, flat.d, flat.code_size, flat.metric_type):
            raise CorruptFile(f"{key}: not a {card.spec} index of {card.rows} x {flat.d}.")
        return index

    def _file(self, name: str) -> tuple[str, Stamp]:
        file = self.card.files[name]
        return f"{self.key}/{name}", Stamp(file.size, file.sha256)


def read_card(files: Files, collection_id: int, segment: Segment) -> Card:
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
    }
    for field, value in said.items():
        if getattr(card, field) != value:
            raise CorruptFile(f"{key}: {field} is {getattr(card, field)}, not {value}.")
    if set(card.files) != {IDS, DATA}:
        raise CorruptFile(f"{key}: lists {sorted(card.files)}.")
    return card


def check_space(opened: OpenSegment, manifest: Manifest) -> None:
    """Make sure that a segment of the live space has its dimension and metric.

    Raises:
        CorruptFile: it has others.
    """
    card = opened.card
    if (card.dimension, card.metric) != (manifest.dimension, manifest.metric):
        raise CorruptFile(
            f"{opened.key}/{CARD}: {card.dimension} dimensions and {card.metric}, "
            f"not {manifest.dimension} and {manifest.metric}."
        )


def _file(sink: Sink) -> _File:
    return _File(size=sink.stamp.size, sha256=sink.stamp.sha256)
