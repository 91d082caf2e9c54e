"""The API's answers, as far as the command line reads them. Times are RFC 3339 strings."""

from typing import Any, NamedTuple, NotRequired, TypedDict

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


class RebuildFailureReply(TypedDict):
    """A document that could not be brought into the new space."""

    document: str
    error: str


class RebuildReply(TypedDict):
    """A rebuild and how far it is."""

    job: str
    state: str
    encoder: str
    fingerprint: str
    dimension: int
    metric: str
    chunking: Body
    of: int
    done: int
    failed: int
    eta_seconds: float | None
    forced: bool
    trouble: str | None
    started_at: str
    ended_at: str | None
    version: int | None


class RebuildDetailReply(RebuildReply):
    """`GET /collections/{name}/rebuild`."""

    failures: list[RebuildFailureReply]


class RebuildAnswerReply(TypedDict):
    """`POST /collections/{name}/rebuild`."""

    unchanged: bool
    rebuild: RebuildReply | None


class CollectionDetailReply(CollectionReply):
    """`GET /collections/{name}`."""

    layouts: list[LayoutReply] | None
    live_recall: LiveRecallReply | None
    damages: int
    rebuild: RebuildReply | None


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
    q_after: str
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


class LineReply(TypedDict):
    """What became of one line of a bulk request."""

    line: int
    id: str | None
    status: int
    job_id: NotRequired[str]
    error: NotRequired[str]


class SummaryReply(TypedDict):
    """What became of a bulk request."""

    status: int
    error: str | None
    retry_after_seconds: int | None


class BulkReply(NamedTuple):
    """The answer to a bulk request."""

    lines: list[LineReply]
    summary: SummaryReply


class IssueReply(TypedDict):
    """An error or a warning of one document."""

    document: str
    message: str


class StagesReply(TypedDict):
    """When a job reached each stage."""

    accepted_at: str | None
    published_at: str | None
    first_loaded_at: str | None


class WhoAmIReply(TypedDict):
    """The answer of `GET /whoami`."""

    name: str
    key_id: str | None
    scope: str
    collections: list[str] | None


class JobLinkReply(TypedDict):
    """A job and where to watch it."""

    id: str
    url: str


class ReceiptReply(TypedDict):
    """What became of one message."""

    collection: str | None
    source: str
    status: str
    job: JobLinkReply | None
    reason: str | None
    detail: str | None
    received_at: str


class ReceiptsReply(TypedDict):
    """The answer of `GET /receipts/{key}`, newest first."""

    key: str
    status: str
    receipts: list[ReceiptReply]


class AuditReply(TypedDict):
    """An entry of `GET /audit`."""

    id: int
    at: str
    who: str
    key_id: str | None
    address: str
    what: str
    target: dict[str, str]
    outcome: str | None


class EstimateReply(TypedDict):
    """When a job will be done, and what says so."""

    seconds: float
    documents: int
    workers: int
    tokens_per_second: float


class ReasonReply(TypedDict):
    """Why something waits."""

    code: str
    sentence: str
    details: Body


class VerdictReply(TypedDict):
    """Whether a file was taken, and why not."""

    name: str
    bytes: int
    accepted: bool
    kind: str | None
    fault: str | None
    detail: str | None


class LinkReply(TypedDict):
    """A job and where to watch it."""

    id: str
    url: str


class FilesAcceptedReply(TypedDict):
    """`POST /collections/{name}/files`."""

    job: LinkReply
    files: list[VerdictReply]


class FileIssueReply(TypedDict):
    """A part of a file that was left out."""

    where: str
    detail: str


class FileReply(TypedDict):
    """A file of a job, and what became of it."""

    id: str
    name: str
    bytes: int
    status: str
    kind: str | None
    encoding: str | None
    documents: int
    skipped: int
    issues: list[FileIssueReply]
    warnings: list[str]
    fault: str | None
    error: str | None
    accepted_at: str
    ended_at: str | None


class FilesReply(TypedDict):
    """`GET /jobs/{id}/files`."""

    files: list[FileReply]
    next_cursor: int | None


class PassagePreviewReply(TypedDict):
    """A passage that there will be."""

    start: int
    end: int
    tokens: int
    text: str
    place: str


class DocumentPreviewReply(TypedDict):
    """A document that there will be."""

    id: str
    title: str
    characters: int
    cut: int
    passages: list[PassagePreviewReply]
    total: int
    tokens: int
    warnings: list[str]


class PreviewReply(TypedDict):
    """`POST /collections/{name}/preview`."""

    document: DocumentPreviewReply
    max_tokens: int


class ColumnsReply(TypedDict):
    """What the columns of a table are taken for."""

    names: list[str]
    id: str
    title: str
    text: list[str]


class FilePreviewReply(TypedDict):
    """What a file will become."""

    name: str
    bytes: int
    kind: str | None
    fault: str | None
    detail: str | None
    encoding: str | None
    documents: list[DocumentPreviewReply]
    members: list[str]
    issues: list[FileIssueReply]
    warnings: list[str]
    columns: ColumnsReply | None


class FilesPreviewReply(TypedDict):
    """`POST /collections/{name}/files/preview`."""

    files: list[FilePreviewReply]
    max_tokens: int


class JobReply(TypedDict):
    """`GET /jobs/{id}`; a list of jobs leaves `errors` and `warnings` empty."""

    id: str
    collection: str
    source: str
    status: str
    finished: bool
    eta_seconds: float | None
    estimate: EstimateReply | None
    cancelled_at: str | None
    total: int
    counts: dict[str, int]
    files: dict[str, int]
    stages: StagesReply
    version: int | None
    errors: list[IssueReply]
    warnings: list[IssueReply]


class DeletedCollectionReply(TypedDict):
    """A collection that was deleted and can be recovered."""

    id: int
    name: str
    deleted_at: str
    removed_after: str
    documents: int
    bytes: int


class WebhookReply(TypedDict):
    """A webhook, without its secret."""

    id: str
    url: str
    events: list[str]
    enabled: bool
    disabled_for: str | None
    waiting: int


class MadeWebhookReply(TypedDict):
    """`POST …/webhooks`."""

    secret: str
    webhook: WebhookReply


class DeliveryReply(TypedDict):
    """One event on its way to one webhook."""

    id: str
    event: int
    type: str
    state: str
    attempts: int
    status: int | None
    error: str | None
    created_at: str


class EventsReply(TypedDict):
    """`GET /events?stream=false`."""

    events: list[Body]
    last: int
    missed: bool


class DocumentLineReply(TypedDict):
    """A document in a list, without its text."""

    id: str
    status: str
    revision: int
    title: str
    metadata: dict[str, Any]
    characters: int
    warnings: list[str]
    error: str | None
    version: int | None
    accepted_at: str


class DocumentsReply(TypedDict):
    """`GET …/documents`: a page, which may be empty and not be the last."""

    documents: list[DocumentLineReply]
    next_cursor: str | None


class DocumentReply(TypedDict):
    """`GET …/documents/{id}`."""

    id: str
    status: str
    revision: int
    title: str
    text: str
    metadata: dict[str, Any]
    warnings: list[str]
    error: str | None
    version: int | None
    chunks: list[Body]
    stages: StagesReply


class CancelledReply(TypedDict):
    """`POST /jobs/{id}/cancel`."""

    cancelled: int
    under_way: int
    job: JobReply


class RetriedReply(TypedDict):
    """`POST /jobs/{id}/retry`."""

    retried: int
    files: int
    superseded: int
    impossible: int
    details: list[str]
    more: bool
    job: JobReply


class PointReply(TypedDict):
    """A passage on a map."""

    id: str
    title: str
    x: float
    y: float
    cluster: int
    shade: int | None


class NearReply(TypedDict):
    """A point close to a query."""

    id: str
    title: str
    score: float


class PlaceReply(TypedDict):
    """Where a query lies on a map."""

    x: float
    y: float
    nearest: list[NearReply]


class DrawnReply(TypedDict):
    """What is on a map."""

    method: str
    explained: float
    vectors: int
    by: str | None
    labels: list[str]
    fields: list[str]
    points: list[PointReply]
    query: PlaceReply | None


class MapReply(TypedDict):
    """`POST` and `GET /collections/{name}/map`; `map` is there in the second only."""

    collection: str
    version: int
    state: str
    sample: int
    seed: int
    requested_at: str
    ended_at: str | None
    detail: str
    map: NotRequired[DrawnReply | None]


class PassageReply(TypedDict):
    """A passage of a hit."""

    score: float
    passage: str


class HitReply(TypedDict):
    """A document found."""

    id: str
    score: float
    title: str
    passage: str
    passages: NotRequired[list[PassageReply]]


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
    cursor: str | None


class SampleReply(TypedDict):
    """`POST /sample`."""

    collection: str
    documents: int
    job: JobLinkReply
    attribution: str


class DocumentContentReply(TypedDict):
    """A document as it was accepted."""

    title: str
    text: str
    metadata: Body
    external_version: int | None


class MessageContentReply(TypedDict):
    """A message as it came."""

    encoding: str
    size: int
    raw: str


class DeadLetterReply(TypedDict):
    """A document that failed or a message that was refused; lists leave what was sent out."""

    id: str
    received_at: str
    failed_at: str
    collection: str | None
    source: str
    producer: str
    key: str | None
    document: str | None
    reason: str
    detail: str
    obstacle: str | None
    replayed_at: str | None
    job: JobLinkReply | None
    content: NotRequired[DocumentContentReply | None]
    message: NotRequired[MessageContentReply | None]


class DeadLettersReply(TypedDict):
    """A page of dead letters."""

    dead_letters: list[DeadLetterReply]
    next_cursor: str | None


class ReplayReply(TypedDict):
    """What became of a dead letter that was replayed."""

    id: str
    outcome: str
    detail: str
    job: JobLinkReply | None


class ReplaysReply(TypedDict):
    """What became of several."""

    counts: dict[str, int]
    results: list[ReplayReply]
    next_cursor: str | None


class DismissedReply(TypedDict):
    """How many dead letters were dismissed."""

    dismissed: int
    more: bool


class BacklogReply(TypedDict):
    """What waits."""

    pending: int
    claimed: int
    oldest_seconds: float | None


class FileQueueReply(TypedDict):
    """Files on their way to become documents."""

    waiting: int
    being_read: int
    bytes: int
    oldest_seconds: float


class RunningRebuildReply(TypedDict):
    """A rebuild that is under way, at a glance."""

    collection: str
    job: str
    state: str
    of: int
    done: int
    failed: int
    trouble: str | None


class TroubleReply(TypedDict):
    """A process that lives and does not get on."""

    process: str
    kind: str
    trouble: str
    since: str


class ProcessReply(TypedDict):
    """A process that lives."""

    process: str
    kind: str
    beat_at: str
    memory_bytes: int
    searches: int
    versions_behind: int


class ClaimReply(TypedDict):
    """A claim, as far as a command shows it."""

    id: int
    worker: str
    lane: int
    state: str
    documents: int
    characters: int | None
    claimed_at: str
    closed_by: str
    tokens: int | None
    seconds: float | None
    of_job: NotRequired[int]
    """How many documents are of the job that was asked for."""


class StatusReply(TypedDict):
    """`GET /status`."""

    version: str
    processes: dict[str, int]
    alive: list[ProcessReply]
    troubles: list[TroubleReply]
    backlog: BacklogReply
    files: FileQueueReply
    rebuilds: list[RunningRebuildReply]
    collections: list[CollectionReply]
    chores: list[ChoreReply]
    damages: int
    dead_letters: int | None
