"""Segments, manifests and heads: what a version is made of."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Self

from shared.domain.layouts import Layout
from shared.domain.spaces import Collection
from shared.domain.values import Metric, VersionKind
from shared.domain.work import Attempt, Outcome


@dataclass(frozen=True, slots=True, kw_only=True)
class Deletes:
    """Which positions of a segment are dead: a file of its own, never edited."""

    file: str
    sha256: str
    count: int
    since: float = 0.0
    """When the oldest of these vectors died, by the catalog's clock; 0 if not known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Segment:
    """An immutable layer of vectors as one manifest lists it."""

    id: str
    space_id: int
    rows: int
    min_id: int
    max_id: int
    bytes: int
    sha256: str
    """Of its `segment.json`, which holds the checksum of every other file."""
    deletes: Deletes | None = None
    layout: Layout | None = None
    """None as appended: flat, and never weighed against a rule."""
    format: int = 1
    """Number of the format its files are in."""

    @property
    def live(self) -> int:
        """Vectors that are not deleted."""
        return self.rows - (self.deletes.count if self.deletes else 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """One version: the exact segments and delete sets that a search of it reads."""

    collection_id: int
    version: int
    space_id: int
    """The live space; a search reads only its segments."""
    dimension: int
    metric: Metric
    kind: VersionKind
    attempt_id: str
    parent_sha256: str | None
    segments: tuple[Segment, ...] = ()

    @classmethod
    def empty(cls, collection: Collection) -> Self:
        """Return version 0 of a collection: the only one without a file."""
        return cls(
            collection_id=collection.id,
            version=0,
            space_id=collection.space.id,
            dimension=collection.space.dimension,
            metric=collection.space.metric,
            kind=VersionKind.CREATE,
            attempt_id="",
            parent_sha256=None,
        )

    @property
    def live(self) -> int:
        """Live vectors in all segments."""
        return sum(segment.live for segment in self.segments)

    @property
    def rows(self) -> int:
        """Vectors in all segments, dead ones too."""
        return sum(segment.rows for segment in self.segments)

    @property
    def bytes(self) -> int:
        """Size of all segments on disk."""
        return sum(segment.bytes for segment in self.segments)


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """Where a version's manifest is, and the checksum it must have."""

    collection_id: int
    version: int
    manifest_file: str
    manifest_sha256: str
    published_at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Completion:
    """A rebuild at its end, as it was read: it must still be just that."""

    rebuild_id: str
    parts: tuple[str, ...]
    """Its segments."""
    failed: int
    """Documents that it leaves out."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Commit:
    """Everything one publishing transaction writes, all of it or none of it."""

    attempt: Attempt
    parent: Head
    manifest: Manifest | None
    """None when nothing changes in the index (all unchanged, failed or superseded)."""
    manifest_file: str = ""
    manifest_sha256: str = ""
    claim_id: int | None = None
    outcomes: tuple[Outcome, ...] = ()
    new_segments: tuple[Segment, ...] = ()
    restored: int | None = None
    """The version that becomes the head's content again; only with kind RESTORE."""
    restored_sha256: str = ""
    """Checksum of its manifest as it was read: a purge may have rewritten it meanwhile, which is
    a `VersionConflict`."""
    completion: Completion | None = None
    """The rebuild whose space becomes the live one; only with kind REBUILD."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rewriting:
    """New manifests for versions that keep their numbers: after a purge or a repair.

    All of them are swapped in one transaction, the head's included, or none.
    """

    attempt: Attempt
    heads: tuple[Head, ...]
    """The versions as they were read: each must still be just that."""
    rewritten: tuple[Head, ...]
    """Those of them that change, with their new manifest files; the others stay as they are."""
    vectors: Mapping[int, int]
    """Live vectors of each version that changes."""
    bytes: Mapping[int, int]
    segments: Mapping[int, int]
    """Number of segments of each version that changes."""
    new_segments: tuple[Segment, ...] = ()
    parts: tuple[str, ...] = ()
    """Segments of a rebuild under way as they were read: they must be just these."""
    new_parts: Mapping[str, Segment | None] = field(default_factory=dict)
    """By such a segment what takes its place; None where nothing is left of it."""
    purged: str | None = None
    """External id of the document to erase in the same transaction, with all its revisions."""
