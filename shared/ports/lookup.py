"""What searches and users ask of the catalog, and who is alive.

Any call may raise `CatalogUnavailable`.
"""

from collections.abc import Mapping, Sequence
from typing import Protocol

from shared.domain import (
    DocumentReport,
    Head,
    JobReport,
    PassageRecord,
    Rejection,
    VersionReport,
)


class Reading(Protocol):
    """What searches read."""

    def counter(self) -> int:
        """Return the head counter: it moves with each change of any collection's head."""
        ...

    def heads(self) -> Mapping[int, Head]:
        """Return the head of every collection by its id."""
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

    def loaded(self, collection_id: int, version: int) -> None:
        """Stamp versions up to *version* as loaded by a reader, where not stamped yet."""
        ...


class Records(Protocol):
    """What users look up."""

    def job(self, job_id: str, *, issues: int = 100) -> JobReport:
        """Return a job with at most *issues* errors and as many warnings.

        Raises:
            JobNotFound: there is none.
        """
        ...

    def jobs(self, *, limit: int, collection: str | None = None) -> Sequence[JobReport]:
        """Return the newest jobs, without their errors and warnings."""
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

    def rejections(self, *, limit: int) -> Sequence[tuple[int, float, Rejection]]:
        """Return the newest rejected messages with id and time."""
        ...

    def claims(self, *, limit: int) -> Sequence[Mapping[str, object]]:
        """Return the newest claims (batches): worker, lane, documents, tokens and so on."""
        ...


class Roster(Protocol):
    """Which processes are alive, and the clock they share."""

    def now(self) -> float:
        """Return the catalog's clock: the one clock that leases and stamps use."""
        ...

    def beat(self, process: str, kind: str) -> None:
        """Say that *process* (`host:pid`) is alive."""
        ...

    def alive(self, *, within_seconds: float) -> Mapping[str, int]:
        """Return how many processes of each kind said so lately."""
        ...

    def backlog(self) -> Mapping[str, float]:
        """Return `pending`, `claimed`, and the age in seconds of the `oldest` pending."""
        ...
