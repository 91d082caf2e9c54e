"""Upkeep: chores, damaged files, garbage, purges."""

from typing import Self

from pydantic import Field

from shared.domain import Chore, ChoreKind, ChoreState, Damage, Garbage, PurgeReport
from web.api.models.base import Body, Question, Shape, Text, Time


class ChoreShape(Shape):
    """One piece of upkeep."""

    id: int
    collection: str
    kind: ChoreKind
    state: ChoreState
    holder: str
    """The process that does it."""
    started_at: Time
    ended_at: Time | None
    done: int
    """Vectors, files or documents behind it."""
    total: int
    detail: str
    """What it does, and at the end what came of it."""

    @classmethod
    def of(cls, chore: Chore, collection: str) -> Self:
        """Return what the API shows of a chore."""
        return cls(
            id=chore.id,
            collection=collection,
            kind=chore.kind,
            state=chore.state,
            holder=chore.holder,
            started_at=chore.started_at,
            ended_at=chore.ended_at,
            done=chore.done,
            total=chore.total,
            detail=chore.detail,
        )


class ChoreList(Shape):
    """Chores: active ones first, then the newest."""

    chores: list[ChoreShape]


class ChoresQuery(Question):
    """Which chores to list."""

    collection: Text | None = None
    limit: int = Field(default=50, ge=1, le=1000)


class DamageShape(Shape):
    """A file that is not what its checksum says. Nothing reads it any more."""

    collection: str
    key: str
    """The file, relative to the index folder."""
    segment: str | None
    """The segment it belongs to; null for a manifest."""
    reason: str
    found_at: Time | None
    """Null when it was found only just now."""

    @classmethod
    def of(cls, damage: Damage, collection: str) -> Self:
        """Return what the API shows of a damaged file."""
        return cls(
            collection=collection,
            key=damage.key,
            segment=damage.segment_id,
            reason=damage.reason,
            found_at=damage.found_at or None,
        )


class DamageList(Shape):
    """Damaged files in quarantine, oldest first."""

    damages: list[DamageShape]


class DamagesQuery(Question):
    """Whose damaged files to list."""

    collection: Text | None = None


class GarbageBody(Body):
    """Whether to remove anything."""

    dry_run: bool = True
    """Only say what would be removed."""


class GarbageShape(Shape):
    """What was removed, or would be."""

    collection: str
    dry_run: bool
    expired: list[int]
    """Versions that the retention rule lets go."""
    removed: list[str]
    """Files and folders that no kept version needs."""
    bytes: int
    revoked: list[str]
    """Attempts to publish that were still open but whose writer is gone."""
    forgotten: int
    """Revisions whose text no kept version holds."""

    @classmethod
    def of(cls, garbage: Garbage) -> Self:
        """Return what the API shows of a collection of garbage."""
        return cls(
            collection=garbage.collection,
            dry_run=garbage.dry_run,
            expired=list(garbage.expired),
            removed=list(garbage.removed),
            bytes=garbage.bytes,
            revoked=list(garbage.revoked),
            forgotten=garbage.forgotten,
        )


class PurgeBody(Question):
    """An empty object: there is nothing to choose."""


class PurgeShape(Shape):
    """What a purge erased."""

    collection: str
    id: str
    """The document's."""
    vectors: int
    """Vectors of all its revisions."""
    versions: list[int]
    """Versions that were written anew under their old numbers."""
    segments: int
    """Segments written anew without it."""
    removed: list[str]
    """Files and folders that no version needs any more."""
    warnings: list[str]

    @classmethod
    def of(cls, report: PurgeReport) -> Self:
        """Return what the API shows of a purge."""
        return cls(
            collection=report.collection,
            id=report.id,
            vectors=report.vectors,
            versions=list(report.versions),
            segments=report.segments,
            removed=list(report.removed),
            warnings=list(report.warnings),
        )
