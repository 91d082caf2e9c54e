"""Make an old version the newest again, as a version of its own.

No vector is written: the new manifest lists the old one's segments and delete sets. The version
is leased and every file of it verified before anything changes. Dying at any line leaves nothing,
or a manifest file that no version names; the lease ends by itself.
"""

import secrets
from dataclasses import dataclass, replace

import structlog

from shared.domain import Attempt, Collection, Commit, Head, Manifest, VersionDiff, VersionKind
from shared.errors import CorruptFile, Fenced, IndexUnavailable, VersionExpired
from shared.failpoints import reach
from shared.indexing.publishing import commit_until_settled, read_manifest
from shared.ports import Snapshot
from shared.trust.damage import quarantine
from shared.versions.holds import Holds
from shared.versions.shelf import Shelf, damages_of, newest, resolve

log = structlog.get_logger(__name__)

_TRIES = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Restored:
    """What became of a wish to restore."""

    head: Head
    """The new version; the newest as it was if nothing had to change."""
    restored: int
    """The version it is equal to."""
    unchanged: bool


@dataclass(frozen=True, slots=True)
class _Whole:
    """A version that was verified; open, so that its segments stay verified in this process."""

    head: Head
    snapshot: Snapshot


def preview(
    shelf: Shelf, name: str, ref: str, *, limit: int, cursor: str | None = None
) -> VersionDiff:
    """Return what a restore would change: from the newest version to the one named.

    Raises:
        CorruptFile: it could not be restored.
        CollectionNotFound, TagNotFound, VersionNotFound, VersionExpired
    """
    collection = shelf.collections.get(name)
    version = resolve(shelf, name, ref)
    with _holds(shelf) as holds:
        holds.take(collection.id, version)
        _open_whole(shelf, collection, version)
        return shelf.versions.diff(
            collection.id, newest(shelf, collection).version, version, limit=limit, cursor=cursor
        )


def restore(shelf: Shelf, name: str, ref: str) -> Restored:
    """Publish a new version equal to the one named, unless the newest has its very segments.

    Documents of later versions are withdrawn: they are not found any more, and not indexed
    again by themselves. A version of before a rebuild makes its space the live one again.

    Raises:
        CollectionNotFound, TagNotFound, VersionNotFound, VersionExpired
        CorruptFile: a file of the version is damaged; nothing was changed.
        Retryable: the catalog or the index cannot do it now.
    """
    collection = shelf.collections.get(name)
    version = resolve(shelf, name, ref)
    with _holds(shelf) as holds:
        holds.take(collection.id, version)
        opened = _open_whole(shelf, collection, version)
        head = newest(shelf, collection)
        if _lists_the_same(shelf, collection, head, opened.snapshot.manifest):
            return Restored(head=head, restored=version, unchanged=True)
        head = _publish(shelf, collection, opened, holds)
    reach("restore.committed")
    return Restored(head=head, restored=version, unchanged=False)


def _publish(shelf: Shelf, collection: Collection, opened: _Whole, holds: Holds) -> Head:
    """Publish what *opened* shows, again if a purge ends the attempt.

    A purge does that to all attempts of its collection, so that none brings back what it erases.
    """
    for _ in range(_TRIES - 1):
        try:
            return _try_to_publish(shelf, collection, opened, holds)
        except Fenced as error:
            log.info("restore_fenced", collection=collection.name, reason=str(error))
    return _try_to_publish(shelf, collection, opened, holds)


def _try_to_publish(shelf: Shelf, collection: Collection, opened: _Whole, holds: Holds) -> Head:
    attempt = shelf.publications.register(
        collection.id, vectors=0, claim_id=None, worker=shelf.worker
    )

    def fit() -> Commit:
        holds.check()
        head, _ = shelf.publications.base(collection.id, [])
        # Read again after the head: a purge may have rewritten the version in between.
        return _fit(shelf, attempt, head, _open_whole(shelf, collection, opened.head.version))

    try:
        _, head = commit_until_settled(shelf.publications, attempt, fit)
    except (CorruptFile, IndexUnavailable, VersionExpired):
        shelf.publications.abandon(attempt.id)
        raise
    return head


def _fit(shelf: Shelf, attempt: Attempt, head: Head, source: _Whole) -> Commit:
    """Write the manifest that makes *source* the version after *head*."""
    manifest = replace(
        source.snapshot.manifest,
        version=head.version + 1,
        kind=VersionKind.RESTORE,
        attempt_id=attempt.id,
        parent_sha256=head.manifest_sha256 or None,
    )
    file, sha256 = shelf.store.write_manifest(manifest)
    reach("restore.manifest_written")
    return Commit(
        attempt=attempt,
        parent=head,
        manifest=manifest,
        manifest_file=file,
        manifest_sha256=sha256,
        restored=source.head.version,
        restored_sha256=source.head.manifest_sha256,
    )


def _open_whole(shelf: Shelf, collection: Collection, version: int) -> _Whole:
    """Open a version after making sure that all of it is there and sound.

    Raises:
        CorruptFile: a file is missing, damaged or in quarantine.
    """
    head = shelf.reading.version(collection.id, version)
    try:
        snapshot = shelf.store.open(read_manifest(shelf.store, head, collection))
    except CorruptFile:
        quarantine(shelf.chores, shelf.store, shelf.files, collection, head)
        raise
    if damages := damages_of(shelf, head, snapshot.manifest):
        raise CorruptFile(
            f"Version {version} needs {damages[0].key}, which is damaged: {damages[0].reason}"
        )
    return _Whole(head, snapshot)


def _lists_the_same(shelf: Shelf, collection: Collection, head: Head, wanted: Manifest) -> bool:
    """Whether the head lists just the segments and delete sets of *wanted*."""
    if head.version == wanted.version:
        return True
    try:
        found = read_manifest(shelf.store, head, collection)
    except CorruptFile:
        return False  # a restore is one way out of a damaged head
    return (found.space_id, found.segments) == (wanted.space_id, wanted.segments)


def _holds(shelf: Shelf) -> Holds:
    """Return leases of this one restore, so that its end ends no other reader's."""
    return Holds(
        shelf.versions, f"{shelf.worker} restore {secrets.token_hex(4)}", shelf.lease_seconds
    )
