"""WordNet glosses as the default model encodes them, kept for the next run."""

import hashlib
from pathlib import Path

import numpy as np

from shared.domain import Chunking, ChunkingMode, Vectors
from tests.datasets import glosses
from tests.models import default_store

_KEPT = Path(__file__).resolve().parents[3] / "var" / "bench"


def encoded_glosses(count: int) -> Vectors:
    """Return the unit vectors of the first *count* glosses in a seeded random order."""
    store, card = default_store()
    name = hashlib.sha256(f"{card.fingerprint}/{count}".encode()).hexdigest()[:16]
    path = _KEPT / f"glosses-{name}.npy"
    if path.exists():
        kept: Vectors = np.load(path, allow_pickle=False)
        return kept
    encoder = store.load(card.fingerprint)
    rule = Chunking(mode=ChunkingMode.NONE)
    documents = glosses(count)
    passages = [encoder.chunk(one["title"], one["text"], rule).passages[0] for one in documents]
    vectors, _ = encoder.encode(passages)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    vectors = vectors[np.random.default_rng(11).permutation(len(vectors))]
    path.parent.mkdir(parents=True, exist_ok=True)
    np.save(path, vectors)
    return vectors
