"""What is known of something that waits, or did."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from shared.domain import Estimate, FileCounts, Process, State, Whereabouts


@dataclass(frozen=True, slots=True, kw_only=True)
class Workforce:
    """The index workers, and what may keep all of them from working."""

    workers: tuple[Process, ...] = ()
    """Those alive."""
    last_heard_at: float | None = None
    """When any was last heard of; None if that is long ago or never was."""
    parsers: int = 0
    """Processes alive that read files."""
    no_room: str | None = None
    """Why the disk takes nothing more, if so."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Matter:
    """A document or a job, and all that is known of why it is not done."""

    is_job: bool
    counts: Mapping[State, int]
    """Documents by state."""
    error: str | None
    """Of the first that failed."""
    version: int | None
    """Newest version that holds it, or documents of it."""
    cancelled: bool = False
    """Whether it is a job that somebody cancelled."""
    growing: bool = False
    """Whether it is a job that more documents will be added to."""
    rebuild: bool = False
    """Whether it is a job that stands for the rebuild of a collection."""
    files: FileCounts = field(default_factory=FileCounts)
    """Files that its documents are read from."""
    whereabouts: Whereabouts
    workforce: Workforce = Workforce()
    estimate: Estimate | None = None

    @property
    def total(self) -> int:
        """Documents."""
        return sum(self.counts.values())

    @property
    def finished(self) -> bool:
        """Whether nothing of it waits."""
        waits = any(count and not state.finished for state, count in self.counts.items())
        return not waits and not self.growing and not self.files.waiting

    def part(self, count: int) -> str:
        """Return the subject of a sentence about *count* of its documents."""
        if not self.is_job:
            return "It"
        if self.total == 1:
            return "Its document"
        if count == self.total:
            return f"All its {self.total:,} documents"
        return f"{count:,} of its {self.total:,} documents"
