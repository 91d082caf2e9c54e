"""Versions: one by one, compared, restored."""

from typing import Self

from pydantic import ConfigDict, Field

from shared.domain import (
    Change,
    Policy,
    RankingDiff,
    RankMove,
    Segment,
    VersionDiff,
    VersionKind,
    VersionReport,
)
from web.api.models.base import (
    Body,
    CollectionPath,
    Question,
    Shape,
    TagName,
    Text,
    Time,
    VersionRef,
    WholeNumber,
)
from web.api.models.maintenance import DamageShape
from web.api.models.rules import memory_of, policy_of
from web.api.models.search import HitShape


class VersionPath(CollectionPath):
    """The address of a version."""

    ref: VersionRef
    """Its number, a tag, `head` or `newest`."""


class TagPath(CollectionPath):
    """The address of a tag."""

    tag: TagName
    """1 to 100 of letters, digits, `.`, `_` and `-`, beginning with a letter."""


class NewTag(Question):
    """Which version a tag shall name."""

    version: VersionRef


class VersionsQuery(Question):
    """Which versions to list."""

    limit: int = Field(default=50, ge=1, le=1000)

    before: WholeNumber | None = None
    """Only versions below this number: the last one of the page before."""

    content_only: bool = False
    """Leave out versions that only tidied: merges and new layouts."""

    kept_only: bool = False
    """Leave out expired versions."""


class VersionShape(Shape):
    """One version of a collection."""

    version: int
    kind: VersionKind
    published_at: Time
    documents: int
    vectors: int
    segments: int
    first_loaded_at: Time | None
    """When a reader first had it open for searching."""
    bytes: int
    """Size of its segments on disk; versions share most of them."""
    parent: int | None
    expired: bool
    """Whether the retention rule let it go: it can no longer be searched or restored."""
    tags: list[str]
    restored: int | None
    """The version it is equal to, if it restored one."""

    @classmethod
    def of(cls, report: VersionReport) -> Self:
        """Return what the API shows of a version."""
        return cls(
            version=report.version,
            kind=report.kind,
            published_at=report.published_at,
            documents=report.documents,
            vectors=report.vectors,
            segments=report.segments,
            first_loaded_at=report.first_loaded_at,
            bytes=report.bytes,
            parent=report.parent,
            expired=report.expired,
            tags=list(report.tags),
            restored=report.restored,
        )


class VersionList(Shape):
    """Versions, newest first."""

    versions: list[VersionShape]


class SegmentShape(Shape):
    """A segment of a version."""

    id: str
    vectors: int
    """Live ones."""
    deleted: int
    bytes: int
    policy: Policy
    spec: str | None
    """FAISS's factory name; null for a segment as it was appended."""
    recall: float | None
    """Measured recall@10 against the exact answer; null where every vector is looked at."""
    memory_bytes: int
    """What searching it touches all the time."""
    refused: list[str]
    """Layouts tried that missed the recall target, with what they reached."""

    @classmethod
    def of(cls, segment: Segment) -> Self:
        """Return what the API shows of a segment."""
        layout = segment.layout
        return cls(
            id=segment.id,
            vectors=segment.live,
            deleted=segment.rows - segment.live,
            bytes=segment.bytes,
            policy=policy_of(segment),
            spec=layout.spec if layout else None,
            recall=layout.recall if layout else None,
            memory_bytes=memory_of(segment),
            refused=list(layout.refused) if layout else [],
        )


class VersionDetail(VersionShape):
    """One version with its segments."""

    layers: list[SegmentShape] | None
    """Its segments; null once it has expired, and while its manifest is damaged."""
    damages: list[DamageShape]
    """Damaged files among those it needs."""

    @classmethod
    def closely(
        cls,
        report: VersionReport,
        *,
        layers: list[SegmentShape] | None,
        damages: list[DamageShape],
    ) -> Self:
        """Return what the API shows of a single version."""
        return cls(**dict(VersionShape.of(report)), layers=layers, damages=damages)


class DiffQuery(Question):
    """What to compare a version with."""

    to: VersionRef = "head"
    """The later version: its number, a tag, or the newest."""

    limit: int = Field(default=100, ge=1, le=1000)
    """Documents of one page."""

    cursor: Text | None = None
    """`next_cursor` of the page before."""


class ChangeShape(Shape):
    """A document that differs."""

    id: str
    change: Change
    title_before: str | None
    """Null where it was added."""
    title_after: str | None
    """Null where it was removed."""
    text_changed: bool
    metadata_changed: bool


class DiffShape(Shape):
    """How the documents of a collection changed from one version to another."""

    collection: str
    before: int
    after: int
    added: int
    changed: int
    removed: int
    changes: list[ChangeShape]
    """By document id; a page of them."""
    next_cursor: str | None
    """Ask for the next page with it; null on the last one."""

    @classmethod
    def of(cls, diff: VersionDiff) -> Self:
        """Return what the API shows of a difference."""
        return cls(
            collection=diff.collection,
            before=diff.before,
            after=diff.after,
            added=diff.added,
            changed=diff.changed,
            removed=diff.removed,
            changes=[
                ChangeShape(
                    id=one.id,
                    change=one.change,
                    title_before=one.title_before,
                    title_after=one.title_after,
                    text_changed=one.text_changed,
                    metadata_changed=one.metadata_changed,
                )
                for one in diff.changes
            ],
            next_cursor=diff.next_cursor,
        )


class CompareBody(Body):
    """A query to ask of two versions, or two queries."""

    model_config = ConfigDict(strict=True)

    q: Text
    """The query, in words."""

    before: VersionRef
    """The earlier version: its number or a tag."""

    after: VersionRef = "head"
    """The later version; by default the newest."""

    q_after: Text | None = None
    """Asked of the later version in place of `q`; the two versions may then be one."""

    k: int = Field(default=10, ge=1)
    """How many documents of each version to compare."""


class MoveShape(Shape):
    """Where one document stood in two versions; ranks count from 1."""

    id: str
    title: str
    rank_before: int | None
    """Null where it was not among the best k."""
    rank_after: int | None
    score_before: float | None
    score_after: float | None

    @classmethod
    def of(cls, move: RankMove) -> Self:
        """Return what the API shows of a move."""
        return cls(
            id=move.id,
            title=move.title,
            rank_before=move.rank_before,
            rank_after=move.rank_after,
            score_before=move.score_before,
            score_after=move.score_after,
        )


class RankingShape(Shape):
    """How the answer to a query moved between two versions, or between two queries."""

    collection: str
    q: str
    q_after: str
    """What was asked of the later version."""
    before: int
    after: int
    moves: list[MoveShape]
    """By rank in the later version, then those that left."""
    hits_before: list[HitShape]
    hits_after: list[HitShape]
    warnings: list[str]

    @classmethod
    def of(cls, diff: RankingDiff) -> Self:
        """Return what the API shows of a comparison."""
        return cls(
            collection=diff.collection,
            q=diff.query,
            q_after=diff.query_after,
            before=diff.before,
            after=diff.after,
            moves=[MoveShape.of(one) for one in diff.moves],
            hits_before=[HitShape.of(one) for one in diff.hits_before],
            hits_after=[HitShape.of(one) for one in diff.hits_after],
            warnings=list(diff.warnings),
        )


class RestoreBody(Body):
    """Which version to make the newest again."""

    version: VersionRef
    """Its number or a tag."""

    dry_run: bool = False
    """Only say what would change."""


class RestoreShape(Shape):
    """What a restore did, or would do."""

    collection: str
    restored: int
    """The version asked for."""
    dry_run: bool
    unchanged: bool
    """The newest version is made of the same segments, so no new one is needed."""
    version: VersionShape
    """The newest version after it."""
    diff: DiffShape | None
    """Only of a dry run: from the newest version to the one asked for."""
