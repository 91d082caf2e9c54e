"""Follow jobs until their documents can be found."""

import time
from collections import Counter, deque
from dataclasses import dataclass, field

from shared.client import Client, Refused, Unreachable
from shared.client.replies import IssueReply, JobReply

_AT_ONCE = 4  # jobs asked for in one look; they finish about in order
_KEPT_ISSUES = 1000
_LOAD_SECONDS = 2.0
_PATIENCE_SECONDS = 60.0


@dataclass(slots=True)
class _Open:
    """A job that is not searchable yet."""

    id: str
    documents: int
    finished_at: float | None = None
    """When it was first seen finished but not loaded by a reader; this process's clock."""


@dataclass(slots=True)
class Tally:
    """What became of all documents."""

    accepted: int = 0
    counts: Counter[str] = field(default_factory=Counter)
    errors: list[IssueReply] = field(default_factory=list)
    """At most 1,000, of at most 100 a job."""
    warnings: list[IssueReply] = field(default_factory=list)

    @property
    def failed(self) -> int:
        """Documents that ended in failure or were cancelled."""
        return self.counts["failed"] + self.counts["cancelled"]


class Tracker:
    """The jobs of one `add` and how far they are."""

    def __init__(self, client: Client, collection: str) -> None:
        self._client = client
        self._collection = collection
        self._open: deque[_Open] = deque()
        self._under_way = 0
        self._unanswered_since: float | None = None
        self.tally = Tally()
        self.eta_seconds: float | None = None
        """When the last of them will be done, about, if Lamina can tell."""

    @property
    def waiting(self) -> bool:
        """Whether documents are not searchable yet."""
        return bool(self._open)

    @property
    def settled(self) -> int:
        """Documents that are searchable or will never be."""
        return self.tally.counts.total() + self._under_way

    def add(self, job_id: str, documents: int) -> None:
        """Follow a job."""
        self._open.append(_Open(job_id, documents))
        self.tally.accepted += documents

    def look(self) -> None:
        """Ask for the oldest jobs.

        Raises:
            Unreachable, Refused: no useful answer for a minute.
        """
        try:
            self._look()
        except (Unreachable, Refused) as error:
            if isinstance(error, Refused) and not error.busy:
                raise
            self._unanswered_since = self._unanswered_since or time.monotonic()
            if time.monotonic() - self._unanswered_since > _PATIENCE_SECONDS:
                raise
        else:
            self._unanswered_since = None

    def _look(self) -> None:
        under_way = 0
        self.eta_seconds = None
        for job in self._looked_at():
            reply = self._client.job(job.id)
            self.eta_seconds = reply["eta_seconds"]  # of the newest, which is done last
            if self._is_searchable(job, reply):
                self._open.remove(job)
                self._count(reply)
            else:
                under_way += sum(
                    count for state, count in reply["counts"].items() if state in _SETTLED
                )
        self._under_way = under_way

    def _looked_at(self) -> list[_Open]:
        """Return the oldest jobs, which are done next, and the newest."""
        jobs = list(self._open)
        return jobs if len(jobs) <= _AT_ONCE else [*jobs[: _AT_ONCE - 1], jobs[-1]]

    def _is_searchable(self, job: _Open, reply: JobReply) -> bool:
        if not reply["finished"]:
            return False
        if reply["version"] is None or reply["stages"]["first_loaded_at"]:
            return True
        job.finished_at = job.finished_at or time.monotonic()
        if time.monotonic() - job.finished_at > _LOAD_SECONDS:
            # The web process follows a limited number of collections; a search opens this one.
            self._client.search(self._collection, {"q": "a", "k": 1, "after": job.id})
        return False

    def _count(self, reply: JobReply) -> None:
        tally = self.tally
        tally.counts.update(reply["counts"])
        tally.errors.extend(reply["errors"][: _KEPT_ISSUES - len(tally.errors)])
        tally.warnings.extend(reply["warnings"][: _KEPT_ISSUES - len(tally.warnings)])


_SETTLED = frozenset({"indexed", "unchanged", "superseded", "failed", "cancelled", "withdrawn"})
