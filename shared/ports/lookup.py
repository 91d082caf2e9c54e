"""What searches and users ask of the catalog, and who is alive.

Any call may raise `CatalogUnavailable`.
"""

from collections.abc import Mapping, Sequence
from typing import Protocol

from shared.domain import (
    Condition,
    DocumentLine,
    DocumentReport,
    Head,
    JobFilter,
    JobReport,
    PassageRecord,
    Process,
    VersionReport,
)

NOTHING_SAID = Condition()
ALL_JOBS = JobFilter()


class Reading(Protocol):
    """What searches read."""

    def counter(self) -> int:
        """Return the head counter: it moves with each change of any collection's head."""
        ...

    def heads(self) -> Mapping[int, Head]:
        """Return the head of every collection by its id; deleted ones have none."""
        ...

    def head(self, collection_id: int) -> Head:
        """Return the head of a collection.

        Raises:
            CollectionNotFound: there is none, or it is deleted.
        """
        ...

    def version(self, collection_id: int, version: int) -> Head:
        """Return where a version's manifest is.

        Raises:
            VersionNotFound: never published.
            VersionExpired: the retention rule let it go.
        """
        ...

    def passages(self, vector_ids: Sequence[int]) -> Mapping[int, PassageRecord]:
        """Return what the vectors stand for; immutable, so right at every version."""
        ...

    def waiting(self, collection_id: int) -> int:
        """Return how many accepted revisions are pending or claimed."""
        ...

    def loaded(self, collection_id: int, version: int) -> Sequence[float]:
        """Stamp versions up to *version* as loaded by a reader, where not stamped yet.

        Return how long documents that these brought had waited since they were accepted, in
        seconds: some thousand of them at most.
        """
        ...


class Records(Protocol):
    """What users look up."""

    def job(self, job_id: str, *, issues: int = 100) -> JobReport:
        """Return a job with at most *issues* errors and as many warnings.

        Raises:
            JobNotFound: there is none.
        """
        ...

    def jobs(
        self, which: JobFilter = ALL_JOBS, *, limit: int, collection: str | None = None
    ) -> Sequence[JobReport]:
        """Return the newest jobs of some kind, without their errors and warnings.

        Raises:
            CollectionNotFound: no such collection.
        """
        ...

    def document(self, collection: str, external_id: str) -> DocumentReport:
        """Return the newest revision of a document.

        Raises:
            CollectionNotFound: no such collection.
            DocumentNotFound: never accepted, or its newest revision is an indexed delete.
        """
        ...

    def versions(
        self,
        collection: str,
        *,
        limit: int,
        before: int | None = None,
        content_only: bool = False,
        kept_only: bool = False,
    ) -> Sequence[VersionReport]:
        """Return the newest versions of a collection, those below *before* if given."""
        ...

    def version(self, collection: str, version: int) -> VersionReport:
        """Return one version, expired ones too.

        Raises:
            CollectionNotFound, VersionNotFound
        """
        ...

    def claims(self, *, limit: int, job_id: str | None = None) -> Sequence[Mapping[str, object]]:
        """Return the newest claims (batches): worker, lane, documents, tokens and so on.

        With *job_id* only those that hold documents of the job, or finished them, and `of_job`
        says how many.
        """
        ...

    def revisions(self, collection: str, external_id: str, *, limit: int) -> Sequence[DocumentLine]:
        """Return the newest revisions of a document, whatever became of them, newest first.

        Raises:
            CollectionNotFound: no such collection.
            DocumentNotFound: never accepted, or purged.
        """
        ...


class Roster(Protocol):
    """Which processes are alive, and the clock they share."""

    def now(self) -> float:
        """Return the catalog's clock: the one clock that leases and stamps use."""
        ...

    def beat(self, process: str, kind: str, condition: Condition = NOTHING_SAID) -> None:
        """Say that *process* (`host:pid`) is alive, and how it is."""
        ...

    def alive(self, *, within_seconds: float) -> Mapping[str, int]:
        """Return how many processes of each kind said so lately.

        A beat that far ahead of the clock, which was put back since, is not lately.
        """
        ...

    def processes(self, *, within_seconds: float) -> Sequence[Process]:
        """Return the processes that `alive` counts, by kind and name."""
        ...

    def shorten(self, *, lease_seconds: float, delay_seconds: float) -> int:
        """Let nothing last longer than it could have been set to; return how much was shortened.

        After the catalog's clock was put back, leases and delays set before would else last
        until it has caught up. No lease, of a claim, a chore or a version, ends later than
        *lease_seconds* from now; no revision waits longer than *delay_seconds* to be claimed.
        """
        ...

    def backlog(self) -> Mapping[str, float]:
        """Return `pending`, `claimed`, and the age in seconds of the `oldest` pending."""
        ...
