"""Open versions for searching; if the newest is damaged, the last good one."""

from collections.abc import Sequence
from dataclasses import dataclass

from shared.domain import Damage, Head
from shared.errors import CorruptFile, VersionExpired
from shared.indexing.publishing import read_manifest
from shared.ports import Chores, Collections, IndexFiles, IndexStore, Reading, Snapshot, Versions
from shared.trust.damage import quarantine

READER = "reader"
"""The role of whoever reads an older version because it was asked for."""
STAND_IN = "stand-in"
"""The role of whoever reads an older version because the newest is damaged."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stacks:
    """Where versions are kept, and who reads them."""

    reading: Reading
    collections: Collections
    versions: Versions
    chores: Chores
    store: IndexStore
    files: IndexFiles
    holder: str
    lease_seconds: float
    """How long a version that is held lives without a heartbeat."""

    def hold(self, collection_id: int, version: int, role: str) -> None:
        """Keep a version from expiring; again renews it. Version 0 has nothing to keep.

        The same process may hold it in several roles.

        Raises:
            VersionNotFound, VersionExpired
        """
        if version:
            holder = f"{self.holder}/{role}"
            self.versions.hold(collection_id, version, holder, self.lease_seconds)

    def release(self, collection_id: int, version: int, role: str) -> None:
        """Let a version expire again."""
        if version:
            self.versions.release(collection_id, version, f"{self.holder}/{role}")


@dataclass(frozen=True, slots=True)
class Opened:
    """A snapshot and when its version was published."""

    head: Head
    snapshot: Snapshot
    behind: str | None = None
    """Why this is not the newest version, in words, if it is not."""


def open_version(stacks: Stacks, head: Head) -> Opened:
    """Open the version that *head* names.

    Raises:
        CollectionNotFound, CorruptFile, Retryable
    """
    collection = stacks.collections.by_id(head.collection_id)
    return Opened(head, stacks.store.open(read_manifest(stacks.store, head, collection)))


def report_damage(stacks: Stacks, head: Head) -> Sequence[Damage]:
    """Put what is damaged of a version in quarantine, and return it."""
    collection = stacks.collections.by_id(head.collection_id)
    return quarantine(stacks.chores, stacks.store, stacks.files, collection, head)


def open_last_good(stacks: Stacks, damaged: Head) -> Opened | None:
    """Open the newest kept version before a damaged one; None if none can be opened.

    The version is held as `STAND_IN`.

    Raises:
        Retryable: the catalog or the index cannot be read now.
    """
    bad = {one.segment_id for one in stacks.chores.damages(damaged.collection_id)}
    for kept in reversed(stacks.versions.kept(damaged.collection_id)):
        if kept.expired_at is not None or kept.version >= damaged.version:
            continue
        try:
            stacks.hold(damaged.collection_id, kept.version, STAND_IN)
        except VersionExpired:
            continue
        opened = _open_if_sound(stacks, damaged.collection_id, kept.version, bad)
        if opened:
            return opened
        stacks.release(damaged.collection_id, kept.version, STAND_IN)
    return None


def _open_if_sound(
    stacks: Stacks, collection_id: int, version: int, bad: set[str | None]
) -> Opened | None:
    """Open a version that does not need any of the *bad* segments, if it is not damaged itself."""
    collection = stacks.collections.by_id(collection_id)
    head = stacks.reading.version(collection_id, version)
    try:
        manifest = read_manifest(stacks.store, head, collection)
        if any(segment.id in bad for segment in manifest.segments):
            return None
        return Opened(head, stacks.store.open(manifest))
    except CorruptFile:
        return None


def in_words(damaged: Head, damages: Sequence[Damage], read: Head) -> str:
    """Say which version is read instead of a damaged one, and why."""
    what = "it could not be verified"
    if damages:
        segment = damages[0].segment_id
        what = f"segment {segment}" if segment else "its manifest"
    return (
        f"Version {damaged.version} is damaged ({what}); this is version {read.version}. "
        "`lamina fsck --repair` rebuilds what is damaged."
    )
