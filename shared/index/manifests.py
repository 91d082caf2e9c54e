"""Manifests as JSON: the small list of segments and delete sets that is one version."""

import json
import re
from dataclasses import asdict
from typing import Self

from pydantic import model_validator

from shared.domain import Deletes, Head, Manifest, Metric, Segment, VersionKind
from shared.errors import CorruptFile
from shared.index import formats
from shared.index.formats import (
    FORMAT,
    Count,
    DeletesName,
    Dimension,
    FolderName,
    FormatNumber,
    Identity,
    Number,
    Record,
    Seconds,
    Sha256,
)
from shared.index.layouts import LayoutRecord

LIMIT = 64 * 1024 * 1024
"""Largest manifest that is read, bytes; about 400 a segment are usual."""

_NAME = re.compile(rf"(?P<version>\d{{12}})-(?P<attempt>{formats.ATTEMPT})(\.\d+)?\.json")


class _Deletes(Record):
    file: DeletesName
    sha256: Sha256
    count: Number
    since: Seconds = 0.0
    """Absent in format 1."""


class _Segment(Record):
    id: FolderName
    space_id: Identity
    rows: Number
    min_id: Identity
    max_id: Identity
    bytes: Number
    sha256: Sha256
    deletes: _Deletes | None
    layout: LayoutRecord | None = None
    """Absent in format 1."""
    format: FormatNumber = 1

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.max_id - self.min_id + 1 < self.rows:
            raise ValueError("its ids have no room for its rows")
        if self.deletes and self.deletes.count > self.rows:
            raise ValueError("more deleted than there are rows")
        return self

    def to_domain(self) -> Segment:
        values = {name: getattr(self, name) for name in _Segment.model_fields}
        values["deletes"] = Deletes(**self.deletes.model_dump()) if self.deletes else None
        values["layout"] = self.layout.to_domain() if self.layout else None
        return Segment(**values)


class _Totals(Record):
    segments: Count
    rows: Count
    live: Count
    bytes: Count


class _Manifest(Record):
    format: FormatNumber
    collection_id: Identity
    version: Number
    space_id: Identity
    dimension: Dimension
    metric: Metric
    kind: VersionKind
    attempt_id: FolderName
    parent_sha256: Sha256 | None
    segments: list[_Segment]
    totals: _Totals

    def to_domain(self) -> Manifest:
        return Manifest(
            collection_id=self.collection_id,
            version=self.version,
            space_id=self.space_id,
            dimension=self.dimension,
            metric=self.metric,
            kind=self.kind,
            attempt_id=self.attempt_id,
            parent_sha256=self.parent_sha256,
            segments=tuple(segment.to_domain() for segment in self.segments),
        )


def name_of(manifest: Manifest, repeat: int = 0) -> str:
    """Return the file name of a manifest; *repeat* makes another one for the same attempt."""
    again = f".{repeat}" if repeat else ""
    return f"{manifest.version:012d}-{formats.checked_attempt(manifest.attempt_id)}{again}.json"


def attempt_of(name: str) -> str | None:
    """Return which attempt wrote a manifest of this name; None if it is no manifest's name."""
    match = _NAME.fullmatch(name)
    return match["attempt"] if match else None


def dump(manifest: Manifest) -> bytes:
    """Return *manifest* as JSON, the same bytes for equal manifests."""
    record = asdict(manifest) | {"format": FORMAT, "totals": _totals(manifest)}
    return json.dumps(record, indent=1, sort_keys=True).encode()


def load(content: bytes, head: Head, key: str) -> Manifest:
    """Read the manifest that *head* names, from content whose checksum was verified.

    Raises:
        CorruptFile: a value that cannot be, or another version's manifest.
    """
    record = formats.parse(_Manifest, content, key)
    manifest = record.to_domain()
    of, wanted = (manifest.collection_id, manifest.version), (head.collection_id, head.version)
    if of != wanted:
        raise CorruptFile(
            f"{key}: version {of[1]} of collection {of[0]}, not {wanted[1]} of {wanted[0]}."
        )
    if record.totals.model_dump() != _totals(manifest):
        raise CorruptFile(f"{key}: its totals are not the sums of its segments.")
    if len({segment.id for segment in manifest.segments}) != len(manifest.segments):
        raise CorruptFile(f"{key}: a segment is listed twice.")
    return manifest


def folder_of(collection_id: int) -> str:
    """Return the key of the folder that holds a collection's manifests."""
    return f"{collection_id}/manifests"


def key_of(head: Head) -> str:
    """Return the key of a version's manifest.

    Raises:
        CorruptFile: *head* does not name a manifest of that version.
    """
    match = _NAME.fullmatch(head.manifest_file)
    if match is None or int(match["version"]) != head.version:
        raise CorruptFile(
            f"{head.manifest_file!r} is not the name of a manifest of version {head.version}."
        )
    return f"{folder_of(head.collection_id)}/{head.manifest_file}"


def _totals(manifest: Manifest) -> dict[str, int]:
    return {
        "segments": len(manifest.segments),
        "rows": manifest.rows,
        "live": manifest.live,
        "bytes": manifest.bytes,
    }
