"""Proofs that a file was read and its checksum found right, so that it is not read again.

One process remembers its own; a host remembers them in small files beside the index, where
every process of it looks. A proof holds for one inode of one size with unchanged times.
"""

import os
import uuid
from collections import OrderedDict
from contextlib import suppress
from dataclasses import astuple, dataclass
from pathlib import Path
from threading import Lock

from shared.index.disk import Disk
from shared.index.drafts import Stamp

_REMEMBERED = 16_384
"""Proofs that one process remembers (about 300 bytes each)."""


@dataclass(frozen=True, slots=True)
class Identity:
    """What changes when a file is written to, replaced or renamed over."""

    device: int
    inode: int
    size: int
    modified_ns: int
    changed_ns: int

    @classmethod
    def of(cls, descriptor: int) -> "Identity":
        """Return the identity of an open file."""
        found = os.fstat(descriptor)
        return cls(found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns)


class Proofs:
    """What this process and, with a *folder*, this host has verified. Safe for many threads."""

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder
        self._known: OrderedDict[str, bytes] = OrderedDict()
        self._lock = Lock()

    def hold(self, key: str, stamp: Stamp, seen: Identity) -> bool:
        """Whether *key*, as it is *seen* now, was verified to be what *stamp* says."""
        if seen.size != stamp.size:
            return False
        proof = _proof(stamp, seen)
        with self._lock:
            if self._known.get(key) == proof:
                self._known.move_to_end(key)
                return True
        if self._on_host(key) != proof:
            return False
        self._remember(key, proof)
        return True

    def add(self, key: str, stamp: Stamp, seen: Identity) -> None:
        """Remember that *key*, as it was *seen*, is what *stamp* says."""
        proof = _proof(stamp, seen)
        self._remember(key, proof)
        if self._folder is None:
            return
        path = self._folder / key
        drafted = path.with_name(f"{path.name}.{uuid.uuid4().hex[:8]}")
        # Without a proof the next process reads the file again: slower, never wrong. It is not
        # synced for the same reason: a garbled one is no proof.
        with suppress(OSError):
            path.parent.mkdir(parents=True, exist_ok=True)
            drafted.write_bytes(proof)
            drafted.replace(path)

    def drop(self, key: str) -> None:
        """Forget what is known of a file, or of a folder and all in it. May raise `OSError`."""
        with self._lock:
            for one in [one for one in self._known if one == key or one.startswith(f"{key}/")]:
                del self._known[one]
        if self._folder is not None:
            Disk().remove(self._folder / key)

    def _on_host(self, key: str) -> bytes:
        if self._folder is None:
            return b""
        try:
            return (self._folder / key).read_bytes()
        except OSError:  # an unreadable proof is none
            return b""

    def _remember(self, key: str, proof: bytes) -> None:
        with self._lock:
            self._known[key] = proof
            if len(self._known) > _REMEMBERED:
                self._known.popitem(last=False)


def _proof(stamp: Stamp, seen: Identity) -> bytes:
    return " ".join(map(str, (stamp.sha256, *astuple(seen)))).encode()
