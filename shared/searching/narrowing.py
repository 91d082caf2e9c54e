"""Snapshots that show only what a filter lets through, kept for the next search.

What a filter says of a vector never changes, and neither does a segment. So which vectors of a
segment match is asked of the catalog once, and a new version costs only its new segments. Deleted
vectors are left out by the snapshot itself, which is how a filter is right at every version.
"""

import weakref
from collections import OrderedDict
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from threading import Lock
from typing import Generic, TypeVar

import numpy as np

from shared.domain import Ids, Manifest, Segment
from shared.domain.filters import Filter
from shared.filters import canonical
from shared.ports import Matching, Snapshot

Value = TypeVar("Value")

_ENTRY_BYTES = 1000
"""About what an entry takes besides its arrays."""


class Narrowing:
    """Narrowed snapshots and matching vectors, at most so many bytes. For many threads."""

    def __init__(self, matching: Matching, *, kept_bytes: int) -> None:
        """Keep *kept_bytes*, half for either; the least recently used goes first."""
        self._matching = matching
        self._vectors: _Kept[Ids] = _Kept(kept_bytes // 2)
        self._snapshots: _Kept[_Narrowed] = _Kept(kept_bytes // 2)

    def narrow(self, snapshot: Snapshot, condition: Filter) -> Snapshot:
        """Return *snapshot* with only what matches.

        Raises:
            CatalogUnavailable
        """
        name = canonical(condition)
        # A narrowed snapshot must not outlive its own: it holds the files of an old version.
        self._snapshots.drop(lambda kept: kept.source() is None)
        known = self._snapshots.get((id(snapshot), name))
        if known and known.source() is snapshot:
            return known.snapshot
        ids = self._ids(snapshot.manifest, condition, name)
        narrowed = snapshot.among(ids)
        self._snapshots.put(
            (id(snapshot), name),
            _Narrowed(weakref.ref(snapshot), narrowed),
            narrowed.own_bytes + len(name) + _ENTRY_BYTES,
        )
        return narrowed

    def _ids(self, manifest: Manifest, condition: Filter, name: str) -> Ids:
        """Return the vectors that match, in any segment of the live space, rising."""
        segments = [one for one in manifest.segments if one.space_id == manifest.space_id]
        found = {one.id: self._vectors.get((one.id, name)) for one in segments}
        found |= self._ask(manifest, condition, name, [s for s in segments if found[s.id] is None])
        known = [one for one in found.values() if one is not None]
        return np.unique(np.concatenate([np.empty(0, dtype=np.int64), *known]))

    def _ask(
        self, manifest: Manifest, condition: Filter, name: str, segments: Sequence[Segment]
    ) -> dict[str, Ids | None]:
        """Ask the catalog which vectors of some segments match, and remember it."""
        if not segments:
            return {}
        ids = self._matching.matching(
            manifest.collection_id,
            manifest.space_id,
            condition,
            first=min(one.min_id for one in segments),
            last=max(one.max_id for one in segments),
        )
        found: dict[str, Ids | None] = {}
        for one in segments:
            first, end = np.searchsorted(ids, (one.min_id, one.max_id + 1))
            mine = ids[first:end].copy()
            self._vectors.put((one.id, name), mine, mine.nbytes + len(name) + _ENTRY_BYTES)
            found[one.id] = mine
        return found


@dataclass(frozen=True, slots=True)
class _Narrowed:
    source: "weakref.ref[Snapshot]"
    snapshot: Snapshot


class _Kept(Generic[Value]):
    """Values by key, at most so many bytes."""

    def __init__(self, most_bytes: int) -> None:
        self._most_bytes = most_bytes
        self._bytes = 0
        self._values: OrderedDict[Hashable, tuple[Value, int]] = OrderedDict()
        self._lock = Lock()

    def get(self, key: Hashable) -> Value | None:
        with self._lock:
            if key not in self._values:
                return None
            self._values.move_to_end(key)
            return self._values[key][0]

    def put(self, key: Hashable, value: Value, size: int) -> None:
        """Keep a value, unless it is larger than all that may be kept."""
        with self._lock:
            self._remove(key)
            if size > self._most_bytes:
                return
            self._values[key] = value, size
            self._bytes += size
            while self._bytes > self._most_bytes:
                self._remove(next(iter(self._values)))

    def drop(self, stale: Callable[[Value], bool]) -> None:
        with self._lock:
            for key in [key for key, (value, _) in self._values.items() if stale(value)]:
                self._remove(key)

    def _remove(self, key: Hashable) -> None:
        _, size = self._values.pop(key, (None, 0))
        self._bytes -= size
