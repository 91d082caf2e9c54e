"""Rebuilds of collections with another chunking rule or encoder."""

from collections.abc import Sequence
from typing import Self

from shared.domain import Estimate, Metric, Rebuild, RebuildFailure, RebuildState
from web.api.models.base import Body, Shape, Text, Time
from web.api.models.chunking import ChunkingShape, NewChunking


class NewRebuild(Body):
    """What a collection shall be rebuilt as; what is left out stays as it is."""

    encoder: Text | None = None
    """Name of an installed encoder."""

    metric: Metric | None = None
    """With another encoder by default what that was trained for."""

    chunking: NewChunking | None = None
    """How documents shall be cut into passages, as a whole."""

    force: bool = False
    """Leave documents out that the new encoder cannot encode, instead of waiting for you."""

    @property
    def names_nothing(self) -> bool:
        """Whether it says nothing of what the collection shall be."""
        return self.encoder is None and self.metric is None and self.chunking is None


class RebuildShape(Shape):
    """A rebuild and how far it is."""

    job: str
    """The job that stands for it: `GET /api/v1/jobs/{job}`."""
    state: RebuildState
    """`blocked` waits for you: see `failures` and `trouble`."""
    encoder: str
    fingerprint: str
    dimension: int
    metric: Metric
    chunking: ChunkingShape
    of: int
    """Documents of the newest version; of when it ended, once it has."""
    done: int
    """Of them, those in the new space."""
    failed: int
    eta_seconds: float | None
    """When the last will be done, about; null where no worker works or nothing was measured."""
    forced: bool
    """Whether documents that fail are left out."""
    trouble: str | None
    """Why it cannot go on, in words; null if it can."""
    started_at: Time
    ended_at: Time | None
    version: int | None
    """The first version in the new space; null until then."""

    @classmethod
    def of_rebuild(cls, rebuild: Rebuild, estimate: Estimate | None) -> Self:
        """Return what the API shows of a rebuild."""
        space, progress = rebuild.space, rebuild.progress
        return cls(
            job=rebuild.id,
            state=rebuild.state,
            encoder=space.encoder,
            fingerprint=space.fingerprint,
            dimension=space.dimension,
            metric=space.metric,
            chunking=ChunkingShape.of(space.chunking),
            of=progress.documents,
            done=progress.done,
            failed=progress.failed,
            eta_seconds=None if estimate is None else round(estimate.seconds, 1),
            forced=rebuild.forced,
            trouble=rebuild.trouble,
            started_at=rebuild.started_at,
            ended_at=rebuild.ended_at,
            version=rebuild.version,
        )


class FailureShape(Shape):
    """A document that could not be brought into the new space."""

    document: str
    error: str


class RebuildDetail(RebuildShape):
    """A rebuild with what failed."""

    failures: list[FailureShape]
    """At most 100, the oldest documents first; empty once the rebuild has ended."""

    @classmethod
    def closely(cls, shape: RebuildShape, failures: Sequence[RebuildFailure]) -> Self:
        """Return what the API shows of a single rebuild."""
        shown = [FailureShape(document=one.document, error=one.error) for one in failures]
        return cls(**dict(shape), failures=shown)


class RebuildAnswer(Shape):
    """What became of a wish to rebuild."""

    unchanged: bool
    """The collection is just so already; nothing was begun."""
    rebuild: RebuildShape | None
