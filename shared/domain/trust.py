"""Damage, what checks found, and what repairs and purges did."""

from dataclasses import dataclass
from enum import StrEnum


@dataclass(frozen=True, slots=True, kw_only=True)
class Damage:
    """A file that is not what its checksum says. Quarantined: nothing reads it any more."""

    collection_id: int
    key: str
    """The file, relative to the index folder."""
    segment_id: str | None
    """None where it is a manifest."""
    reason: str
    found_at: float = 0.0


class FindingKind(StrEnum):
    """What a check found wrong."""

    FILE = "file"
    """A file is missing, or not what its checksum says."""
    MANIFEST = "manifest"
    """The list of a version's segments cannot be read."""
    TOTALS = "totals"
    """The catalog counts other than a version's manifest."""
    LIVENESS = "liveness"
    """The catalog holds other vectors live at a version than its files do."""
    DOUBLE = "double"
    """A vector is live in two segments of a version."""
    HEAD = "head"
    """The head is not the newest version."""
    TEXT = "text"
    """A live vector has no text behind it."""
    VECTOR = "vector"
    """A stored vector is not what the encoder makes of its text."""
    ORIGINAL = "original"
    """The bytes of a file that waits or is kept are missing or damaged; send it again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that a check found wrong."""

    kind: FindingKind
    versions: tuple[int, ...]
    """The kept versions it concerns."""
    where: str
    """Key of a file, or what else it is about."""
    words: str
    damage: Damage | None = None
    """What `repair` mends; None where it can only be reported."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckReport:
    """What a check of a collection looked at, and what it found."""

    collection: str
    versions: tuple[int, ...]
    entries: int
    """Segments, delete sets and manifests that were read."""
    vectors: int
    """Live vectors of all these versions together."""
    sampled: int
    """Vectors that were encoded anew and compared."""
    findings: tuple[Finding, ...]
    skipped: tuple[str, ...] = ()
    """What could not be checked, and why."""

    @property
    def damages(self) -> tuple[Damage, ...]:
        """The damaged files."""
        return tuple(finding.damage for finding in self.findings if finding.damage)


@dataclass(frozen=True, slots=True, kw_only=True)
class RepairReport:
    """What a repair of a collection did."""

    collection: str
    repaired: tuple[str, ...] = ()
    """Keys of the damaged files that no kept version needs any more."""
    versions: tuple[int, ...] = ()
    """Versions that have a new manifest under their old number."""
    relaid: int = 0
    """Vectors of segments that were only laid out anew."""
    copied: int = 0
    """Vectors found in other segments."""
    encoded: int = 0
    """Vectors encoded from their texts."""
    lost: tuple[str, ...] = ()
    """What could not be repaired, and why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PurgeReport:
    """What purging a document did."""

    collection: str
    id: str
    """The document's."""
    vectors: int
    """Vectors of all its revisions."""
    versions: tuple[int, ...]
    """Versions that have a new manifest under their old number."""
    segments: int
    """Segments written anew without it."""
    removed: tuple[str, ...] = ()
    """Keys of the files and folders that no version needs any more."""
    warnings: tuple[str, ...] = ()
