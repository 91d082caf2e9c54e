"""Index files in object storage, mapped from copies on this host.

Nothing can be renamed there, so a folder is complete when its `segment.json` is: that goes up
last and is removed first. An object's name is never used again, and the catalog alone decides
what counts, so storage without conditional writes works too; where it has them, a name that is
taken is noticed.
"""

import hashlib
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from shared.errors import CorruptFile, IndexUnavailable
from shared.index.bucket import Bucket, Found
from shared.index.cache import Cache
from shared.index.disk import Disk
from shared.index.drafts import FolderDraft, Sink, Stamp
from shared.index.files import LAST, Entry, compare, writing

_Content = TypeVar("_Content")

_AT_ONCE = 4
"""Files of a folder that go up together."""


class ObjectFiles:
    """The files of an index in a bucket. Safe for many threads, processes and hosts.

    Args:
        bucket: where they lie.
        cache: folder of this host for copies and drafts; its processes share it.
        cache_bytes: most that the copies take.
        stamps: folder where this host remembers which copies it has verified.
        disk: the system calls that change files of the cache.
    """

    def __init__(
        self,
        bucket: Bucket,
        cache: Path,
        *,
        cache_bytes: int,
        stamps: Path | None = None,
        disk: Disk | None = None,
    ) -> None:
        self._bucket = bucket
        self._disk = disk or Disk()
        self._cache = Cache(cache, cache_bytes, self._disk, stamps)

    @contextmanager
    def new_folder(self, key: str) -> Iterator[FolderDraft]:
        """Give a draft to fill, a `segment.json` in it; on leaving the block it is stored.

        Raises:
            IndexUnavailable: the storage or the local disk is full or failed. Objects that no
                `segment.json` completes may be left. Take another name to try again.
        """
        with writing(key), self._cache.draft() as drafted:
            self._disk.make_folder(drafted)
            draft = FolderDraft(self._disk, drafted)
            try:
                yield draft
                draft.sync()
            finally:
                draft.close()
            self._put_folder(key, drafted, draft.stamps())
            # It is stored: a copy that cannot be kept here is fetched when it is needed
            with suppress(OSError, IndexUnavailable):
                self._cache.make_room(sum(one.size for one in draft.stamps().values()))
                self._cache.adopt(drafted, key)

    def new_file(self, key: str, parts: Iterable[bytes]) -> Stamp:
        """Store *parts* as a new small object named *key*.

        Raises:
            IndexUnavailable: as for `new_folder`.
        """
        content = b"".join(parts)
        stamp = Stamp.of(content)
        self._put(key, content, stamp)
        return stamp

    def read(self, key: str, sha256: str, *, limit: int) -> bytes:
        """Return the content of a small object, verified. It is not kept here.

        Raises:
            CorruptFile: missing, larger than *limit* bytes, or another checksum.
            IndexUnavailable: no answer, or two that differ.
        """

        def fetch() -> tuple[str, bytes]:
            content = b"".join(self._within(key, limit))
            return hashlib.sha256(content).hexdigest(), content

        content = _agreed(key, sha256, fetch)
        if len(content) > limit:
            raise CorruptFile(f"{key}: larger than {limit} bytes.")
        return content

    def map(self, key: str, stamp: Stamp) -> NDArray[np.uint8]:
        """Map the verified copy of an object, fetching it if this host has none.

        Raises:
            CorruptFile: missing, or not what *stamp* says.
            IndexUnavailable: no answer, two answers that differ, or no room for the copy.
        """
        mapped = self._cache.map(key, stamp)
        if mapped is None:
            with writing(key), self._cache.locked(key):
                mapped = self._cache.map(key, stamp)  # another process may have fetched it
                if mapped is None:
                    self._cache.remove(key)
                    self._fetch(key, stamp)
                    mapped = self._cache.map(key, stamp)
        if mapped is None:
            raise IndexUnavailable(f"{key}: its copy left the cache at once; it may be too small.")
        return mapped

    def parts(self, key: str) -> Iterator[bytes]:
        """Yield the content of an object as it is, unverified, in parts of about a megabyte.

        Raises:
            CorruptFile: missing.
            IndexUnavailable: no answer.
        """
        return self._bucket.get(key)

    def raw(self, key: str) -> bytes:
        """Return the content of an object as it is, unverified.

        Raises:
            CorruptFile: missing.
            IndexUnavailable: no answer.
        """
        return b"".join(self._bucket.get(key))

    def verify(self, key: str, stamp: Stamp) -> None:
        """Download an object again and compare its checksum; a damaged copy here is removed.

        Raises:
            CorruptFile: missing, or not what *stamp* says.
            IndexUnavailable: no answer, or two that differ.
        """

        def fetch() -> tuple[str, int]:
            digest, size = hashlib.sha256(), 0
            for chunk in self._bucket.get(key):
                digest.update(chunk)
                size += len(chunk)
            return digest.hexdigest(), size

        size = _agreed(key, stamp.sha256, fetch)
        compare(key, Stamp(size, stamp.sha256), stamp)
        self._cache.recheck(key, stamp)

    def members(self, key: str) -> list[tuple[str, int]]:
        """Return the objects of an entry, by key, with their sizes in bytes.

        Raises:
            CorruptFile: missing.
            IndexUnavailable: no answer.
        """
        found = [(one.key, one.size) for one in self._bucket.list(key)]
        if not found and (alone := self._bucket.head(key)):
            found = [(key, alone.size)]
        if not found:
            raise CorruptFile(f"{key}: missing.")
        return sorted(found)

    def taken(self, key: str) -> bool:
        """Whether something has this name."""
        return self._bucket.head(key) is not None or any(True for _ in self._bucket.list(key))

    def remove(self, key: str) -> None:
        """Remove an object or a folder, and the copy here; nothing happens if there is none."""
        first = f"{key}/{LAST}"
        others = [one.key for one in self._bucket.list(key) if one.key != first]
        self._bucket.delete([first])
        self._bucket.delete([key, *others])
        self._cache.remove(key)

    def free_bytes(self) -> int:
        """Return the free space of the local disk, where drafts are made before they go up."""
        return self._cache.free_bytes()

    def list(self, folder: str) -> list[Entry]:
        """Return what lies directly in *folder*, by name; empty if there is nothing.

        Raises:
            IndexUnavailable: no answer.
        """
        groups: defaultdict[str, list[Found]] = defaultdict(list)
        for found in self._bucket.list(folder):
            name = found.key.removeprefix(f"{folder}/").split("/")[0]
            groups[f"{folder}/{name}"].append(found)
        return [_entry(key, groups[key]) for key in sorted(groups)]

    def _put_folder(self, key: str, folder: Path, stamps: Mapping[str, Stamp]) -> None:
        with ThreadPoolExecutor(_AT_ONCE) as threads:
            others = [
                threads.submit(self._put, f"{key}/{name}", folder / name, stamp)
                for name, stamp in stamps.items()
                if name != LAST
            ]
            for other in others:
                other.result()
        self._put(f"{key}/{LAST}", folder / LAST, stamps[LAST])

    def _put(self, key: str, content: bytes | Path, stamp: Stamp) -> None:
        """Store an object and make sure of it by asking for it.

        A request may fail, or find its name taken, though it or an earlier sending of it was
        carried out and only the answer was lost. The object itself tells.
        """
        failed = IndexUnavailable(f"{key}: it was stored and is not there.")
        try:
            self._bucket.put(key, content, stamp)
        except IndexUnavailable as error:
            failed = error
        if self._stored(key) != stamp:
            raise failed

    def _stored(self, key: str) -> Stamp | None:
        said = self._bucket.head(key)
        if said is None or said.sha256:
            return said
        digest = hashlib.sha256()  # storage that keeps no metadata
        for chunk in self._bucket.get(key):
            digest.update(chunk)
        return Stamp(said.size, digest.hexdigest())

    def _fetch(self, key: str, stamp: Stamp) -> None:
        """Download an object into the cache, verified on the way."""
        self._cache.make_room(stamp.size)
        with self._cache.draft() as drafted:
            size = _agreed(key, stamp.sha256, partial(self._download, key, stamp, drafted))
            compare(key, Stamp(size, stamp.sha256), stamp)
            self._cache.adopt(drafted, key)

    def _download(self, key: str, stamp: Stamp, path: Path) -> tuple[str, int]:
        self._disk.remove(path)
        sink = Sink(self._disk, path)
        try:
            for chunk in self._within(key, stamp.size):
                sink.write(chunk)
            sink.sync()
        finally:
            sink.close()
        return sink.stamp.sha256, sink.stamp.size

    def _within(self, key: str, limit: int) -> Iterator[bytes]:
        """Yield the content of an object, and no more of it once it passes *limit* bytes."""
        left = limit
        for chunk in self._bucket.get(key):
            yield chunk
            left -= len(chunk)
            if left < 0:
                return


def _agreed(key: str, sha256: str, fetch: Callable[[], tuple[str, _Content]]) -> _Content:
    """Return what *fetch* gives with the right checksum; a wrong one is fetched once more.

    Raises:
        CorruptFile: it is the same wrong one again, so the object is, and not the way to it.
        IndexUnavailable: it is another wrong one.
    """
    first, content = fetch()
    if first == sha256:
        return content
    second, content = fetch()
    if second == sha256:
        return content
    if second == first:
        raise CorruptFile(f"{key}: its sha256 is {first}, not {sha256}.")
    raise IndexUnavailable(f"{key}: two downloads of it differ, and neither is right.")


def _entry(key: str, found: list[Found]) -> Entry:
    alone = found[0].key == key
    return Entry(
        key=key,
        bytes=sum(one.size for one in found),
        modified_at=max(one.modified_at for one in found),
        draft=not alone and all(one.key != f"{key}/{LAST}" for one in found),
    )
