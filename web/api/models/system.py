"""The installation itself."""

from typing import Any, Self

from pydantic import Field

from shared.domain import (
    EncoderCard,
    FileQueue,
    Metric,
    Process,
    Rebuild,
    RebuildState,
    rfc3339,
)
from web.api.models.base import Question, Shape, Text
from web.api.models.collections import CollectionShape
from web.api.models.maintenance import ChoreShape


class EncoderShape(Shape):
    """An installed encoder."""

    name: str
    fingerprint: str
    dimension: int
    max_tokens: int
    metric: Metric
    """What the model was trained for."""

    @classmethod
    def of(cls, card: EncoderCard) -> Self:
        """Return what the API shows of an encoder."""
        return cls(
            name=card.name,
            fingerprint=card.fingerprint,
            dimension=card.dimension,
            max_tokens=card.max_tokens,
            metric=card.metric,
        )


class EncoderList(Shape):
    """Installed encoders, by name."""

    encoders: list[EncoderShape]


class Backlog(Shape):
    """What waits in all collections."""

    pending: int
    claimed: int
    oldest_seconds: float
    """Age of the oldest pending document; 0 when none waits."""


class FileQueueShape(Shape):
    """Files on their way to become documents, in all collections."""

    waiting: int
    """No parser holds them yet."""
    being_read: int
    bytes: int
    """Of those that wait."""
    oldest_seconds: float
    """Age of the oldest that waits; 0 when none does."""

    @classmethod
    def of(cls, queue: FileQueue) -> Self:
        """Return what the API shows of the files that wait."""
        return cls(
            waiting=queue.waiting,
            being_read=queue.being_read,
            bytes=queue.bytes,
            oldest_seconds=round(queue.oldest_seconds, 3),
        )


class RunningRebuild(Shape):
    """A rebuild that is under way; `GET /collections/{name}/rebuild` tells more."""

    collection: str
    job: str
    state: RebuildState
    of: int
    """Documents."""
    done: int
    failed: int
    trouble: str | None

    @classmethod
    def of_rebuild(cls, rebuild: Rebuild, collection: str) -> Self:
        """Return what the API shows of a rebuild of *collection* at a glance."""
        return cls(
            collection=collection,
            job=rebuild.id,
            state=rebuild.state,
            of=rebuild.progress.documents,
            done=rebuild.progress.done,
            failed=rebuild.progress.failed,
            trouble=rebuild.trouble,
        )


class TroubleShape(Shape):
    """A process that lives and does not get on with its work."""

    process: str
    """`host:pid`."""
    kind: str
    trouble: str
    """Why not, in words."""
    since: str

    @classmethod
    def of(cls, process: Process) -> Self:
        """Return what the API shows of a process in trouble."""
        return cls(
            process=process.name,
            kind=process.kind,
            trouble=process.condition.trouble or "",
            since=rfc3339(process.troubled_since or process.beat_at),
        )


class ProcessShape(Shape):
    """A process that lives."""

    process: str
    """`host:pid`."""
    kind: str
    beat_at: str
    memory_bytes: int
    """Resident; 0 where it does not say."""
    searches: int
    """Under way in it."""
    versions_behind: int
    """By how many versions the reader in it that is farthest behind is so."""

    @classmethod
    def of(cls, process: Process) -> Self:
        """Return what the API shows of a process."""
        return cls(
            process=process.name,
            kind=process.kind,
            beat_at=rfc3339(process.beat_at),
            memory_bytes=process.condition.memory_bytes,
            searches=process.condition.searches,
            versions_behind=process.condition.behind,
        )


class Status(Shape):
    """Who is alive and what waits."""

    processes: dict[str, int]
    """Processes alive, by kind."""
    alive: list[ProcessShape]
    """Each of them."""
    troubles: list[TroubleShape]
    """Those of them that do not get on with their work."""
    backlog: Backlog
    files: FileQueueShape
    rebuilds: list[RunningRebuild]
    """Under way; their documents are not in `backlog`. Up to some seconds old."""
    collections: list[CollectionShape]
    chores: list[ChoreShape]
    """Upkeep at work now."""
    damages: int
    """Damaged files in quarantine."""
    dead_letters: int | None
    """Documents that failed and messages that were refused, counted up to 10,000; null for a key
    that is bound to collections."""
    version: str
    """Of Lamina."""


class ClaimsQuery(Question):
    """How many claims to list."""

    limit: int = Field(default=50, ge=1, le=1000)

    job: Text | None = None
    """Only those that hold or finished documents of this job; `of_job` says how many."""


class ClaimList(Shape):
    """Claims (batches) of workers, newest first."""

    claims: list[dict[str, Any]]


class SchemaPath(Question):
    """The address of a published JSON Schema."""

    schema_name: Text
