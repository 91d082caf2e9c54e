"""Kept versions as users name them: by number, by tag, or as the head."""

from dataclasses import dataclass

from shared.domain import (
    Collection,
    Damage,
    Head,
    Manifest,
    Segment,
    VersionDiff,
    VersionReport,
)
from shared.errors import CorruptFile, InvalidRequest
from shared.indexing.publishing import read_manifest
from shared.ports import (
    Chores,
    Collections,
    IndexFiles,
    IndexStore,
    Publications,
    Reading,
    Records,
    Versions,
)
from shared.trust.damage import quarantine

NEWEST = frozenset({"head", "newest"})
"""Names that always mean the newest version, so no tag may have them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shelf:
    """Where versions stand: what naming, comparing and restoring them works with."""

    collections: Collections
    publications: Publications
    reading: Reading
    records: Records
    versions: Versions
    chores: Chores
    store: IndexStore
    files: IndexFiles
    worker: str
    lease_seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Description:
    """One version from close by."""

    report: VersionReport
    segments: tuple[Segment, ...] | None
    """None once it has expired, and while its manifest is damaged."""
    damages: tuple[Damage, ...]
    """Damaged files among those it needs."""


def resolve(shelf: Shelf, name: str, ref: str) -> int:
    """Return the version that *ref* names in a collection: a number, a tag, `head` or `newest`.

    A number is not looked up.

    Raises:
        CollectionNotFound, TagNotFound
    """
    if ref.isascii() and ref.isdecimal():
        return int(ref)
    collection = shelf.collections.get(name)
    if ref in NEWEST:
        return newest(shelf, collection).version
    return shelf.versions.tagged(collection.id, ref)


def newest(shelf: Shelf, collection: Collection) -> Head:
    """Return the head of a collection."""
    return shelf.reading.head(collection.id)


def describe(shelf: Shelf, name: str, ref: str) -> Description:
    """Return one version with its segments and what is damaged of it; an expired one without.

    A damaged manifest is put into quarantine.

    Raises:
        CollectionNotFound, TagNotFound, VersionNotFound
        VersionExpired: it expired at this very moment.
        Retryable: the catalog or the index cannot be read now.
    """
    report = shelf.records.version(name, resolve(shelf, name, ref))
    if report.expired:
        return Description(report=report, segments=None, damages=())
    collection = shelf.collections.get(name)
    head = shelf.reading.version(collection.id, report.version)
    try:
        manifest = read_manifest(shelf.store, head, collection)
    except CorruptFile:
        damages = quarantine(shelf.chores, shelf.store, shelf.files, collection, head)
        return Description(report=report, segments=None, damages=tuple(damages))
    return Description(
        report=report, segments=manifest.segments, damages=damages_of(shelf, head, manifest)
    )


def damages_of(shelf: Shelf, head: Head, manifest: Manifest) -> tuple[Damage, ...]:
    """Return the quarantined files among those that a version needs."""
    known = shelf.chores.damages(head.collection_id)
    if not known:
        return ()
    needed = set(shelf.files.needed(manifest))
    if head.manifest_file:
        needed.add(shelf.files.manifest_key(head))
    return tuple(one for one in known if _is_part(one.key, needed))


def _is_part(key: str, entries: set[str]) -> bool:
    """Whether a file is one of these entries or lies in one that is a folder."""
    parts = key.split("/")
    return any("/".join(parts[:depth]) in entries for depth in range(1, len(parts) + 1))


def tag(shelf: Shelf, name: str, ref: str, tag_name: str) -> VersionReport:
    """Name a version, so that it is kept; a tag that names another one moves to it.

    Raises:
        CollectionNotFound, TagNotFound, VersionNotFound, VersionExpired
        InvalidRequest: the tag is not 1 to 100 of letters, digits, `.`, `_`, `-`, beginning with
            a letter, or it is one of `NEWEST`.
    """
    if tag_name in NEWEST:
        raise InvalidRequest(f"`{tag_name}` always means the newest version; choose another name.")
    collection = shelf.collections.get(name)
    version = resolve(shelf, name, ref)
    shelf.versions.tag(collection.id, version, tag_name)
    return shelf.records.version(name, version)


def untag(shelf: Shelf, name: str, tag_name: str) -> None:
    """Take a tag away; the version stays as long as the retention rule keeps it.

    Raises:
        CollectionNotFound, TagNotFound
    """
    shelf.versions.untag(shelf.collections.get(name).id, tag_name)


def diff(
    shelf: Shelf, name: str, before: str, after: str, *, limit: int, cursor: str | None = None
) -> VersionDiff:
    """Compare the documents of two versions; a page of at most *limit*, those after *cursor*.

    Raises:
        CollectionNotFound, TagNotFound, VersionNotFound, VersionExpired
    """
    collection = shelf.collections.get(name)
    return shelf.versions.diff(
        collection.id,
        resolve(shelf, name, before),
        resolve(shelf, name, after),
        limit=limit,
        cursor=cursor,
    )
