"""Files of the index on disk, and what garbage collection makes of them."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredEntry:
    """A segment folder, delete set or manifest on disk."""

    key: str
    bytes: int
    modified_at: float
    """Seconds since 1970 by the file system's clock."""
    attempt_id: str | None
    """Who wrote it; None where the name is none of ours."""
    draft: bool
    """Whether it was never completed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptStanding:
    """What became of an attempt whose files are on disk."""

    id: str
    state: str
    """`active`, `committed`, `revoked` or `abandoned`."""
    working: bool
    """Active, and whoever registered it still holds its claim or chore, or began lately."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Garbage:
    """What a collection of garbage removed, or would remove."""

    collection: str
    expired: tuple[int, ...] = ()
    """Versions that the retention rule let go."""
    removed: tuple[str, ...] = ()
    """Keys of files and folders."""
    bytes: int = 0
    revoked: tuple[str, ...] = ()
    """Attempts that were still open but whose writer is gone."""
    forgotten: int = 0
    """Revisions whose text no kept version holds."""
    dry_run: bool = False
