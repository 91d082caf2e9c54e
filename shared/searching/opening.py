"""Open versions for searching; if the newest is damaged, the last good one."""

from collections.abc import Container, Sequence
from dataclasses import dataclass, field, replace

from shared.domain import Damage, Head
from shared.errors import CorruptFile, VersionExpired
from shared.indexing.publishing import read_manifest
from shared.measures.tally import Tally
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
    tally: Tally = field(default_factory=Tally)

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
    """Why this is not all of the newest version, in words, if it is not."""
    partial: bool = False
    """Whether damaged segments of the version are left out."""

    def needs(self, segments: Container[str]) -> bool:
        """Whether it shows any of these segments."""
        return any(one.id in segments for one in self.snapshot.manifest.segments)


def open_version(stacks: Stacks, head: Head) -> Opened:
    """Open the version that *head* names.

    Raises:
        CollectionNotFound, Retryable
        CorruptFile: a file is damaged, or was found to be and is in quarantine: a segment that is
            open already would not be read again.
    """
    collection = stacks.collections.by_id(head.collection_id)
    manifest = read_manifest(stacks.store, head, collection)
    bad = quarantined(stacks, head.collection_id)
    for segment in manifest.segments:
        if segment.id in bad:
            raise CorruptFile(f"Segment {segment.id} is in quarantine.")
    return Opened(head, stacks.store.open(manifest))


def quarantined(stacks: Stacks, collection_id: int | None = None) -> frozenset[str]:
    """Return the ids of damaged segments, of one collection or all."""
    damages = stacks.chores.damages(collection_id)
    return frozenset(one.segment_id for one in damages if one.segment_id)


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
    bad = quarantined(stacks, damaged.collection_id)
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
    stacks: Stacks, collection_id: int, version: int, bad: Container[str]
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


def open_without(stacks: Stacks, damaged: Head) -> Opened:
    """Open what is sound of a damaged version, when there is no good one.

    Raises:
        CorruptFile: its manifest is damaged, or nothing of it is sound.
        Retryable: the catalog or the index cannot be read now.
    """
    collection = stacks.collections.by_id(damaged.collection_id)
    manifest = read_manifest(stacks.store, damaged, collection)
    bad = quarantined(stacks, damaged.collection_id)
    sound = tuple(one for one in manifest.segments if one.id not in bad)
    if not sound:
        raise CorruptFile(f"Version {damaged.version} is damaged, and no older one is sound.")
    lost = manifest.live - sum(one.live for one in sound)
    behind = (
        f"Version {damaged.version} is damaged, and no older one is sound: {lost} of its "
        f"{manifest.live} passages are not searched. `lamina fsck --repair` rebuilds them."
    )
    opened = stacks.store.open(replace(manifest, segments=sound))
    return Opened(damaged, opened, behind=behind, partial=True)


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
