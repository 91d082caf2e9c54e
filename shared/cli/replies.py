"""The API's answers, as far as the command line reads them. Times are RFC 3339 strings."""

from typing import Any, TypedDict

Body = dict[str, Any]
"""A decoded JSON object that is only printed."""


class IndexRuleReply(TypedDict):
    """How a collection's index shall be laid out."""

    policy: str
    recall_target: float
    memory_limit_bytes: int | None


class RetentionReply(TypedDict):
    """Which versions of a collection stay."""

    versions: int
    days: float
    thinned: bool


class CollectionReply(TypedDict):
    """A collection in `GET /collections`."""

    name: str
    encoder: str
    metric: str
    version: int
    published_at: str | None
    documents: int
    vectors: int
    segments: int
    bytes: int
    waiting: int
    index: IndexRuleReply
    retention: RetentionReply


class LayoutReply(TypedDict):
    """Segments that are searched in one way."""

    policy: str
    segments: int
    vectors: int
    recall: float | None
    memory_bytes: int


class LiveRecallReply(TypedDict):
    """How sampled live queries compared with the exact answer."""

    queries: int
    recall: float
    worst: float


class CollectionDetailReply(CollectionReply):
    """`GET /collections/{name}`."""

    layouts: list[LayoutReply] | None
    live_recall: LiveRecallReply | None
    damages: int


class VersionReply(TypedDict):
    """A version in a list."""

    version: int
    kind: str
    published_at: str
    documents: int
    vectors: int
    segments: int
    bytes: int
    parent: int | None
    expired: bool
    tags: list[str]
    restored: int | None


class SegmentReply(TypedDict):
    """A segment of a version."""

    id: str
    vectors: int
    deleted: int
    bytes: int
    policy: str
    spec: str | None
    recall: float | None
    memory_bytes: int


class DamageReply(TypedDict):
    """A damaged file."""

    collection: str
    key: str
    reason: str


class VersionDetailReply(VersionReply):
    """`GET /collections/{name}/versions/{version}`."""

    layers: list[SegmentReply] | None
    damages: list[DamageReply]


class ChangeReply(TypedDict):
    """A document that differs between two versions."""

    id: str
    change: str
    title_before: str | None
    title_after: str | None
    text_changed: bool
    metadata_changed: bool


class DiffReply(TypedDict):
    """`GET /collections/{name}/versions/{version}/diff`."""

    before: int
    after: int
    added: int
    changed: int
    removed: int
    changes: list[ChangeReply]
    next_cursor: str | None


class MoveReply(TypedDict):
    """Where a document stood for a query in two versions."""

    id: str
    title: str
    rank_before: int | None
    rank_after: int | None
    score_before: float | None
    score_after: float | None


class RankingReply(TypedDict):
    """`POST /collections/{name}/compare`."""

    q: str
    before: int
    after: int
    moves: list[MoveReply]
    warnings: list[str]


class RestoreReply(TypedDict):
    """`POST /collections/{name}/restore`."""

    collection: str
    restored: int
    unchanged: bool
    version: VersionReply
    diff: DiffReply | None


class GarbageReply(TypedDict):
    """`POST /collections/{name}/garbage`."""

    collection: str
    expired: list[int]
    removed: list[str]
    bytes: int
    revoked: list[str]
    forgotten: int


class ChoreReply(TypedDict):
    """A piece of upkeep."""

    collection: str
    kind: str
    started_at: str
    done: int
    total: int


class JobLink(TypedDict):
    """A job in an answer."""

    id: str
    url: str


class Accepted(TypedDict):
    """`POST /collections/{name}/documents`."""

    job: JobLink


class IssueReply(TypedDict):
    """An error or a warning of one document."""

    document: str
    message: str


class StagesReply(TypedDict):
    """When a job reached each stage."""

    accepted_at: str | None
    published_at: str | None
    first_loaded_at: str | None


class JobReply(TypedDict):
    """`GET /jobs/{id}`; a list of jobs leaves `errors` and `warnings` empty."""

    id: str
    collection: str
    source: str
    status: str
    finished: bool
    total: int
    counts: dict[str, int]
    stages: StagesReply
    version: int | None
    errors: list[IssueReply]
    warnings: list[IssueReply]


class HitReply(TypedDict):
    """A document found."""

    id: str
    score: float
    title: str
    passage: str


class SearchReply(TypedDict):
    """`GET /collections/{name}/search`."""

    collection: str
    version: int
    published_at: str | None
    waiting: int
    score: str
    took_ms: dict[str, float]
    hits: list[HitReply]
    warnings: list[str]


class RejectionReply(TypedDict):
    """A message that was not accepted."""

    id: int
    received_at: str
    source: str
    reason: str
    detail: str
    collection: str | None
    key: str | None
    size: int


class BacklogReply(TypedDict):
    """What waits."""

    pending: int
    claimed: int
    oldest_seconds: float | None


class StatusReply(TypedDict):
    """`GET /status`."""

    version: str
    processes: dict[str, int]
    backlog: BacklogReply
    collections: list[CollectionReply]
    chores: list[ChoreReply]
    damages: int
