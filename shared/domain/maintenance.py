"""Upkeep: long work under a lease, files on disk, damage found."""

from dataclasses import dataclass
from enum import StrEnum

from shared.domain.values import Metadata
from shared.domain.work import ChunkSpan


class ChoreKind(StrEnum):
    """Work that one process at a time does for a collection."""

    MERGE = "merge"
    """Make one segment of several."""
    RELAY = "relay"
    """Lay segments out anew under another rule or format."""
    COLLECT = "collect"
    """Let versions expire and remove files that no kept version needs."""
    SCRUB = "scrub"
    """Read every file again and compare its checksum."""
    REWRITE = "rewrite"
    """Purge a document from every version, or repair damaged files."""


class ChoreState(StrEnum):
    """How a chore stands."""

    ACTIVE = "active"
    DONE = "done"
    FAILED = "failed"
    LOST = "lost"
    """Its process died or lost its lease."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Chore:
    """One piece of upkeep; its row is the lease of whoever does it."""

    id: int
    collection_id: int
    kind: ChoreKind
    state: ChoreState
    holder: str
    started_at: float
    done: int = 0
    """Vectors, files or documents behind it."""
    total: int = 0
    detail: str = ""
    """What it does, and at the end what came of it, in words."""
    ended_at: float | None = None


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


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredEntry:
    """A segment folder, delete set or manifest on disk."""

    key: str
    bytes: int
    modified_at: float
    """Seconds since 1970 by the file system's clock."""
    attempt_id: str | None
    """Who wrote it; None where the name is none of ours."""
    draft: bool
    """Whether it was never completed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptStanding:
    """What became of an attempt whose files are on disk."""

    id: str
    state: str
    """`active`, `committed`, `revoked` or `abandoned`."""
    working: bool
    """Active, and whoever registered it still holds its claim or chore, or began lately."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Garbage:
    """What a collection of garbage removed, or would remove."""

    collection: str
    expired: tuple[int, ...] = ()
    """Versions that the retention rule let go."""
    removed: tuple[str, ...] = ()
    """Keys of files and folders."""
    bytes: int = 0
    revoked: tuple[str, ...] = ()
    """Attempts that were still open but whose writer is gone."""
    forgotten: int = 0
    """Revisions whose text no kept version holds."""
    dry_run: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveRecall:
    """How sampled live queries compared with the exact answer lately."""

    queries: int
    recall: float
    """Mean share of the exact best k that was found, 0 to 1."""
    worst: float


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


@dataclass(frozen=True, slots=True, kw_only=True)
class ArchivedDocument:
    """A document as one version holds it, for an archive."""

    id: str
    title: str
    text: str
    metadata: Metadata
    external_version: int | None
    chunks: tuple[ChunkSpan, ...]
