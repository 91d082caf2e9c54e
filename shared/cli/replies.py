"""The API's answers, as far as the command line reads them. Times are RFC 3339 strings."""

from typing import Any, TypedDict

Body = dict[str, Any]
"""A decoded JSON object that is only printed."""


class CollectionReply(TypedDict):
    """`GET /collections/{name}`."""

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
