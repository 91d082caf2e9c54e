"""What is asked about the work that waits."""

from collections.abc import Mapping, Sequence
from typing import Protocol

from shared.domain import (
    FileQueue,
    FinishedClaim,
    Holder,
    JobPlace,
    LaneLoad,
    Outline,
    Whereabouts,
)


class Waiting(Protocol):
    """How much waits, in which order, and who works on it.

    Any call may raise `CatalogUnavailable`.
    """

    def count(self, most: int) -> int:
        """Return how many documents are accepted and not settled, counted up to *most*."""
        ...

    def lanes(self) -> Sequence[LaneLoad]:
        """Return what waits in each lane that anything waits in.

        Reads all of it, in its index; of collections that are being rebuilt, all live documents.
        What no worker holds of a rebuild has waited since that began.
        """
        ...

    def files(self) -> FileQueue:
        """Return the files that wait for a parser or are in the hands of one."""
        ...

    def outline(self) -> Outline:
        """Return what waits in each part of the queue. Reads all of it, in its index."""
        ...

    def finished(self, limit: int) -> Sequence[FinishedClaim]:
        """Return the newest claims that encoded something and were closed."""
        ...

    def holders(self) -> Sequence[Holder]:
        """Return the claims that are under way, oldest first."""
        ...

    def places(self, job_ids: Sequence[str]) -> Mapping[str, JobPlace]:
        """Return where the unfinished documents of these jobs are; finished jobs are missing."""
        ...

    def whereabouts(self, job_id: str | None, *, revision_id: int | None = None) -> Whereabouts:
        """Return where the documents of a job are, or only the one of *revision_id*.

        Raises:
            JobNotFound: there is no such job.
        """
        ...


class Messages(Protocol):
    """The broker's queue that other apps push to."""

    def waiting(self) -> int:
        """Return how many messages no intake has taken yet.

        Raises:
            BrokerUnavailable: the broker is away, or there is no such queue yet.
        """
        ...
