"""Segments: a folder of immutable files, described by its `segment.json`.

`ids.i64` holds the vector ids, rising int64 without a header; `data.faiss` a flat fp16 index of
the vectors in that order, which serves search and, since its codes are raw, every reader of
vectors; `ann.faiss`, in a segment that is laid out, another index over the same positions;
`segment.json` the layout and the size and checksum of the others.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from uuid import uuid4

import numpy as np
from numpy.typing import NDArray

from shared.domain import Attempt, Ids, Layout, Manifest, Metric, Policy, Segment, Vectors
from shared.errors import CorruptFile
from shared.index import ann, cards, codec, formats
from shared.index.cards import ANN, CARD, DATA, IDS, Card, StoredFile, folder_of
from shared.index.drafts import Sink, Stamp
from shared.index.files import Files
from shared.index.formats import FORMAT
from shared.index.layouts import LayoutRecord


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
    layout: Layout | None = None
    fill_ann: Callable[[Sink], None] | None = None
    """Writes `ann.faiss`; with a layout that is not flat."""


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
        written = {IDS: ids, DATA: vectors}
        if draft.fill_ann:
            written[ANN] = folder.create(ANN)
            draft.fill_ann(written[ANN])
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
            files={name: _stored(sink) for name, sink in written.items()},
            layout=LayoutRecord.of(draft.layout) if draft.layout else None,
        )
        content = card.model_dump_json(indent=1).encode()
        described = folder.create(CARD)
        described.write(content)
    return cards.segment_of(card, content, described.stamp.sha256)


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
        self.card = cards.read(files, collection_id, segment)

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
        rows, dimension = self.card.rows, self.card.dimension
        try:
            return codec.codes_of(self._vectors, rows=rows, dimension=dimension)
        except ValueError as error:
            raise CorruptFile(f"{self.key}/{DATA}: {error}") from error

    @cached_property
    def index(self) -> codec.FaissIndex:
        """The flat FAISS index over the mapped codes; valid while this object lives.

        Raises:
            CorruptFile: the file is missing or damaged.
        """
        try:
            index = codec.read_index(self._vectors)
        except ValueError as error:
            raise CorruptFile(f"{self.key}/{DATA}: {error}") from error
        card = self.card
        flat = codec.new_index(card.dimension, card.metric)
        found = index.ntotal, index.d, index.code_size, index.metric_type
        if found != (card.rows, flat.d, flat.code_size, flat.metric_type):
            raise CorruptFile(
                f"{self.key}/{DATA}: not a {card.spec} index of {card.rows} x {flat.d}."
            )
        return index

    @cached_property
    def ann(self) -> codec.FaissIndex | None:
        """The approximate FAISS index over the same positions, mapped; None where it is flat.

        Raises:
            CorruptFile: the file is missing or damaged.
        """
        card = self.card
        if card.layout is None or card.layout.policy is Policy.FLAT:
            return None
        key, stamp = self._file(ANN)
        self._mapped_ann = self._files.map(key, stamp)
        try:
            index = ann.read(self._mapped_ann, card.layout.policy, self._vectors)
        except ValueError as error:
            raise CorruptFile(f"{key}: {error}") from error
        found = index.ntotal, index.d, index.metric_type
        if found != (card.rows, card.dimension, codec.kind_of(card.metric)):
            raise CorruptFile(
                f"{key}: not a {card.layout.spec} index of {card.rows} x {card.dimension}."
            )
        return index

    @cached_property
    def _vectors(self) -> NDArray[np.uint8]:
        """All of `data.faiss`, mapped."""
        return self._files.map(*self._file(DATA))

    def verify(self, name: str) -> None:
        """Read one of its files again, past any cache, and compare its checksum.

        Raises:
            CorruptFile: missing or damaged.
        """
        self._files.verify(*self._file(name))

    def examine(self, name: str) -> None:
        """Make sure that one of its files holds what the card says.

        Raises:
            CorruptFile: it does not.
        """
        readers: Mapping[str, Callable[[], object]] = {
            IDS: lambda: self.ids,
            DATA: lambda: self.index,
            ANN: lambda: self.ann,
        }
        readers[name]()

    def _file(self, name: str) -> tuple[str, Stamp]:
        file = self.card.files[name]
        return f"{self.key}/{name}", Stamp(file.size, file.sha256)


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


def _stored(sink: Sink) -> StoredFile:
    return StoredFile(size=sink.stamp.size, sha256=sink.stamp.sha256)
