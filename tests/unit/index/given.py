"""Values that the index tests start from."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from shared.domain import (
    DEFAULT_INDEX_RULE,
    Attempt,
    Head,
    Ids,
    IndexRule,
    Manifest,
    Metric,
    Segment,
    Vectors,
    VersionKind,
)
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


def clustered(rows: int, dimension: int, *, seed: int = 1, draw: int = 0) -> Vectors:
    """Return unit vectors around 200 centres, which depend on *seed* only, as texts lie.

    As in the benchmarks: in a quarter of the dimensions, turned at random, with noise in all.
    """
    fixed, random = np.random.default_rng(seed), np.random.default_rng([seed, draw])
    inner = max(dimension // 4, 2)
    centres = fixed.standard_normal((200, inner))
    turned = np.linalg.qr(fixed.standard_normal((dimension, inner)))[0]
    points = centres[random.integers(0, 200, rows)] + 0.7 * random.standard_normal((rows, inner))
    drawn = points @ turned.T + 0.02 * random.standard_normal((rows, dimension))
    unit: Vectors = (drawn / np.linalg.norm(drawn, axis=1, keepdims=True)).astype(np.float32)
    return unit


def silent(_done: int, _total: int) -> None:
    """Hear of progress and do nothing."""


def merged(
    store: IndexStore,
    segments: Sequence[Segment],
    metric: Metric = Metric.COSINE,
    rule: IndexRule = DEFAULT_INDEX_RULE,
) -> Segment:
    """Merge segments under the usual attempt."""
    return store.merge(ATTEMPT, segments, metric, rule, silent)


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
