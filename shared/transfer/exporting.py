"""Write a collection, as one version holds it, into a file that another Lamina can read."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from shared.domain import ArchivedDocument, Collection, Head, Ids, Manifest, Vectors
from shared.errors import CorruptFile, InvalidRequest
from shared.indexing.publishing import read_manifest
from shared.ports import Step
from shared.transfer.archives.header import Header
from shared.transfer.archives.writing import ArchiveWriter
from shared.versions.holds import Holds
from shared.versions.shelf import Shelf, newest, resolve

_PAGE = 100  # documents, of at most some megabytes each
_BLOCK = 4096  # vectors


@dataclass(frozen=True, slots=True, kw_only=True)
class Exported:
    """What an archive holds."""

    collection: str
    version: int
    documents: int
    vectors: int
    originals: int
    """Documents whose original file is kept here; archives carry no such files."""
    bytes: int


def export_collection(
    shelf: Shelf, name: str, path: Path, *, ref: str | None, lamina: str, step: Step
) -> Exported:
    """Write a collection to *path*, gzipped if that ends in `.gz` or `.tgz`.

    The version is leased meanwhile. The file has its name only when it is complete.

    Args:
        shelf: where versions stand.
        name: of the collection.
        path: a file that does not exist yet.
        ref: the version by number or tag; None for the newest.
        lamina: the version of this program.
        step: called with (documents and vectors written, all of them).

    Raises:
        CollectionNotFound, VersionNotFound, VersionExpired, TagNotFound
        InvalidRequest: the file exists, or cannot be made there.
        CorruptFile: a file of the version is damaged, or it does not fit the catalog.
    """
    if path.exists():
        raise InvalidRequest(f"{path} exists. Remove it, or choose another name.")
    if not path.parent.is_dir():
        raise InvalidRequest(f"{path.parent} is not a folder.")
    collection = shelf.collections.get(name)
    version = resolve(shelf, name, ref) if ref else newest(shelf, collection).version
    with Holds(shelf.versions, f"{shelf.worker}/export", shelf.lease_seconds) as holds:
        holds.take(collection.id, version)
        head = shelf.reading.version(collection.id, version)
        manifest = read_manifest(shelf.store, head, collection)
        # Of the version, where it is of before a rebuild
        collection = replace(collection, space=shelf.collections.space(manifest.space_id))
        total = shelf.records.version(name, version).documents + manifest.live
        export = _Export(shelf, collection, head, manifest, holds, step, total)
        try:
            with ArchiveWriter(path) as archive:
                return export.write(archive, lamina)
        except OSError as error:
            raise InvalidRequest(f"{path}: {error.strerror or error}.") from error


@dataclass(slots=True)
class _Export:
    """One export under way."""

    shelf: Shelf
    collection: Collection
    head: Head
    manifest: Manifest
    holds: Holds
    step: Step
    total: int
    """Documents and vectors."""

    def write(self, archive: ArchiveWriter, lamina: str) -> Exported:
        """Write everything."""
        for document in self._documents():
            archive.add(document)
            self._tell(archive.documents)
        ids = archive.ids
        self._check(ids)
        header = Header.of(
            self.collection,
            self.head,
            documents=archive.documents,
            vectors=len(ids),
            lamina=lamina,
            files=archive.files > 0,
        )
        archive.finish(header, lambda: self._vectors(ids, archive.documents))
        return Exported(
            collection=self.collection.name,
            version=self.head.version,
            documents=archive.documents,
            vectors=len(ids),
            originals=archive.originals,
            bytes=archive.path.stat().st_size,
        )

    def _documents(self) -> Iterator[ArchivedDocument]:
        after = None
        while page := self.shelf.versions.documents_at(
            self.collection.id, self.head.version, after=after, limit=_PAGE
        ):
            yield from page
            after = page[-1].id

    def _check(self, ids: Ids) -> None:
        """Refuse to export what the catalog and the files tell differently."""
        live = self.shelf.store.live_ids(self.collection.id, self.manifest.segments)
        if not np.array_equal(np.sort(ids), live):
            raise CorruptFile(
                f"Of version {self.head.version} of {self.collection.name!r} the catalog knows "
                f"{len(ids)} vectors and the index files {len(live)}, not the same ones; "
                "`lamina fsck` says more."
            )

    def _vectors(self, ids: Ids, documents: int) -> Iterator[Vectors]:
        for start in range(0, len(ids), _BLOCK):
            yield self.shelf.store.vectors(self.manifest, ids[start : start + _BLOCK])
            self._tell(documents + min(start + _BLOCK, len(ids)))

    def _tell(self, done: int) -> None:
        self.holds.check()
        self.step(done, self.total)
