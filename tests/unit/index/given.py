"""Values that the index tests start from."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from shared.domain import Attempt, Head, Ids, Manifest, Metric, Segment, Vectors, VersionKind
from shared.ports import IndexStore

DIMENSION = 8
ATTEMPT = Attempt(id="a1", collection_id=7, first_vector_id=1)


def vectors(rows: int, *, seed: int = 0, dimension: int = DIMENSION) -> Vectors:
    """Return unit vectors, the same for the same seed."""
    drawn = np.random.default_rng(seed).standard_normal((rows, dimension)).astype(np.float32)
    unit: Vectors = drawn / np.linalg.norm(drawn, axis=1, keepdims=True)
    return unit


def ids(first: int, count: int) -> Ids:
    """Return consecutive ids."""
    return np.arange(first, first + count, dtype=np.int64)


def segment(
    store: IndexStore,
    first: int,
    count: int,
    *,
    metric: Metric = Metric.COSINE,
    attempt: Attempt = ATTEMPT,
    space_id: int = 1,
) -> Segment:
    """Write a segment of *count* vectors; vector *i* is the same wherever it is written."""
    rows = np.concatenate([vectors(1, seed=one) for one in range(first, first + count)])
    return store.write_segment(
        attempt, space_id=space_id, metric=metric, ids=ids(first, count), vectors=rows
    )


def manifest(
    segments: Sequence[Segment],
    *,
    version: int = 1,
    metric: Metric = Metric.COSINE,
    attempt: Attempt = ATTEMPT,
    dimension: int = DIMENSION,
) -> Manifest:
    """Return a version that lists *segments*."""
    return Manifest(
        collection_id=attempt.collection_id,
        version=version,
        space_id=1,
        dimension=dimension,
        metric=metric,
        kind=VersionKind.COMMIT,
        attempt_id=attempt.id,
        parent_sha256=None,
        segments=tuple(segments),
    )


def head(store: IndexStore, what: Manifest) -> Head:
    """Write a manifest and return where it is."""
    name, sha256 = store.write_manifest(what)
    return Head(
        collection_id=what.collection_id,
        version=what.version,
        manifest_file=name,
        manifest_sha256=sha256,
        published_at=0.0,
    )


def flip(path: Path, at: int) -> None:
    """Change one bit of a file."""
    content = bytearray(path.read_bytes())
    content[at % len(content)] ^= 0x10
    path.write_bytes(content)
