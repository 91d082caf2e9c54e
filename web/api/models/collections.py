"""Collections and versions."""

from collections.abc import Sequence
from typing import Self

from shared.domain import (
    CollectionStats,
    DeletedCollection,
    LiveRecall,
    Metric,
    Segment,
)
from web.api.models.base import Body, CollectionName, Shape, Text, Time, WholeNumber
from web.api.models.chunking import ChunkingShape, NewChunking
from web.api.models.rebuilds import RebuildShape
from web.api.models.rules import (
    IndexRuleChange,
    IndexRuleShape,
    LayoutShape,
    RetentionChange,
    RetentionShape,
)

_DAY_SECONDS = 86_400.0


class NewCollection(Body):
    """A collection to create."""

    name: CollectionName
    """1 to 63 of a-z, 0-9, `-` and `_`, beginning with a letter or digit."""

    encoder: Text | None = None
    """Name of an installed encoder; by default the installation's."""

    metric: Metric | None = None
    """By default what the encoder was trained for."""

    chunking: NewChunking = NewChunking()

    index: IndexRuleChange = IndexRuleChange()

    retention: RetentionChange = RetentionChange()

    keep_originals: bool = False
    """Keep the files that documents are read from, to be downloaded again."""


class CollectionChange(Body):
    """What of a collection to change; what is left out stays as it is."""

    name: CollectionName | None = None
    """What it shall be called from now on."""

    index: IndexRuleChange = IndexRuleChange()

    retention: RetentionChange = RetentionChange()

    keep_originals: bool | None = None
    """Keep the files that documents are read from. A change holds for files added after it."""


class CollectionShape(Shape):
    """A collection in numbers, as of its newest version."""

    name: str
    encoder: str
    fingerprint: str
    """Hash of everything that changes a vector."""
    dimension: int
    metric: Metric
    chunking: ChunkingShape
    version: int
    published_at: Time
    documents: int
    vectors: int
    segments: int
    bytes: int
    """Size of its segments on disk."""
    waiting: int
    """Accepted documents not yet searchable."""
    created_at: Time
    index: IndexRuleShape
    retention: RetentionShape
    keep_originals: bool
    """Whether the files that documents are read from are kept, to be downloaded."""

    @classmethod
    def of(cls, stats: CollectionStats) -> Self:
        """Return what the API shows of a collection."""
        collection, space = stats.collection, stats.collection.space
        return cls(
            name=collection.name,
            encoder=space.encoder,
            fingerprint=space.fingerprint,
            dimension=space.dimension,
            metric=space.metric,
            chunking=ChunkingShape.of(space.chunking),
            version=stats.version,
            published_at=stats.published_at,
            documents=stats.documents,
            vectors=stats.vectors,
            segments=stats.segments,
            bytes=stats.bytes,
            waiting=stats.waiting,
            created_at=collection.created_at,
            index=IndexRuleShape.of(collection.index),
            retention=RetentionShape.of(collection.retention),
            keep_originals=collection.keep_originals,
        )


class LiveRecallShape(Shape):
    """How sampled live queries compared with the exact answer since the last large change."""

    queries: int
    recall: float
    """Mean share of the exact best documents that was found."""
    worst: float

    @classmethod
    def of(cls, measured: LiveRecall) -> Self:
        """Return what the API shows of a measurement."""
        return cls(queries=measured.queries, recall=measured.recall, worst=measured.worst)


class CollectionDetail(CollectionShape):
    """A collection in numbers, and how its index is laid out now."""

    layouts: list[LayoutShape] | None
    """By policy; null while the newest manifest is damaged."""
    live_recall: LiveRecallShape | None
    """Null until live queries were sampled."""
    damages: int
    """Damaged files of this collection in quarantine."""
    rebuild: RebuildShape | None
    """The rebuild that began last, ended or not; null if there never was one."""

    @classmethod
    def closely(
        cls,
        stats: CollectionStats,
        *,
        segments: Sequence[Segment] | None,
        recall: LiveRecall | None,
        damages: int,
        rebuild: RebuildShape | None,
    ) -> Self:
        """Return what the API shows of a single collection."""
        return cls(
            **dict(CollectionShape.of(stats)),
            layouts=None if segments is None else LayoutShape.by_policy(segments),
            live_recall=LiveRecallShape.of(recall) if recall else None,
            damages=damages,
            rebuild=rebuild,
        )


class Recovery(Body):
    """Which deleted collection to recover, and as what."""

    id: WholeNumber | None = None
    """Of several that had the name; by default the one that was deleted last."""

    new_name: CollectionName | None = None
    """What it shall be called; by default what it was called."""


class DeletedShape(Shape):
    """A collection that was deleted and can be recovered."""

    id: int
    name: str
    """What it was called."""
    deleted_at: Time
    removed_after: Time
    """When it is removed for good."""
    documents: int
    bytes: int
    """Size of its segments on disk."""

    @classmethod
    def of(cls, deleted: DeletedCollection, kept_days: float) -> Self:
        """Return what the API shows of a deleted collection."""
        return cls(
            id=deleted.id,
            name=deleted.name,
            deleted_at=deleted.deleted_at,
            removed_after=deleted.deleted_at + kept_days * _DAY_SECONDS,
            documents=deleted.documents,
            bytes=deleted.bytes,
        )


class DeletedList(Shape):
    """Every collection that can be recovered, those deleted last first."""

    collections: list[DeletedShape]


class CollectionList(Shape):
    """Every collection, by name."""

    collections: list[CollectionShape]
