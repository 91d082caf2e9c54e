"""What a filter costs, and what it costs in recall.

One segment, laid out; filters that let through a share of it, either at random or all that lie
farthest from one direction, so that a query's neighbours are mostly not let through. Compared in
the same run: Lamina as it chooses, always the layout (asked for more), always a copy scanned, and
numpy over the filtered vectors as float32. Then, what the catalog takes to say which vectors match,
for as many documents on SQLite.

    ./run bench filters                    100,000 vectors of 384 dimensions
    ./run bench filters --vectors 30000 --policy ivf
"""

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table
from sqlalchemy import insert, select

from shared.catalog import Database, SqlCollections, SqlInbox, SqlMatching
from shared.catalog.tables import ChunkRow, RevisionRow
from shared.domain import (
    Attempt,
    Chunking,
    EncoderCard,
    Ids,
    IndexRule,
    Json,
    Manifest,
    Metric,
    NewDocument,
    Policy,
    SpaceDraft,
    Submission,
    Vectors,
    VersionKind,
)
from shared.domain.filters import FilterLimits
from shared.filters import read_text
from shared.index import FolderIndexStore, layers
from shared.ports import Snapshot
from shared.settings import limit_threads
from tests.benchmarks.index.clustered import Clusters

_SHARES = (0.001, 0.01, 0.05, 0.1, 0.2, 0.5)
_K = 10
_QUERIES = 100
_LIMITS = FilterLimits(characters=4000, nodes=100, values=1000)
_FILTERS = (
    "number < 100",
    'lang = "de" and year >= 2015',
    'not exists(draft) and (lang in ["en", "fr"] or year < 2000)',
    "year >= 1950",
)

console = Console(width=120)


def lay_out(folder: Path, vectors: Vectors, policy: Policy) -> Snapshot:
    """Return a version with one laid out segment of *vectors*."""
    store = FolderIndexStore(folder)
    attempt = Attempt(id="bench", collection_id=1, first_vector_id=1)
    ids = np.arange(1, len(vectors) + 1, dtype=np.int64)
    flat = store.write_segment(attempt, space_id=1, metric=Metric.COSINE, ids=ids, vectors=vectors)
    rule = IndexRule(policy=policy)
    segment = store.merge(attempt, [flat], Metric.COSINE, rule, lambda _done, _total: None)
    assert segment.layout is not None
    console.print(f"laid out as {segment.layout.spec}, recall {segment.layout.recall}")
    manifest = Manifest(
        collection_id=1,
        version=1,
        space_id=1,
        dimension=vectors.shape[1],
        metric=Metric.COSINE,
        kind=VersionKind.MERGE,
        attempt_id="bench",
        parent_sha256=None,
        segments=(segment,),
    )
    return store.open(manifest)


@contextmanager
def thresholds(few: int, sparse: float) -> Iterator[None]:
    """Choose other thresholds than Lamina's."""
    before = layers.FEW, layers._SPARSE
    layers.FEW, layers._SPARSE = few, sparse
    try:
        yield
    finally:
        layers.FEW, layers._SPARSE = before


def timed(ask: Callable[[Vectors], Ids], queries: Vectors) -> tuple[float, list[Ids]]:
    """Return the median milliseconds of a query, and what each found."""
    ask(queries[:1])
    took, found = [], []
    for query in queries:
        started = time.perf_counter()
        found.append(ask(query[None]))
        took.append(1000 * (time.perf_counter() - started))
    return statistics.median(took), found


def recall(found: list[Ids], truth: list[Ids]) -> float:
    """Return which share of the true best was found."""
    pairs = zip(found, truth, strict=True)
    return statistics.mean(len(np.intersect1d(one, right)) / len(right) for one, right in pairs)


def compare(snapshot: Snapshot, vectors: Vectors, queries: Vectors) -> None:
    """Print latency and recall for every share and kind of filter."""
    table = Table("filter", "share", "numpy ms", "Lamina ms", "x", "recall", "layout ms", "recall",
                  "scan ms", "recall", "narrow ms")  # fmt: skip
    random = np.random.default_rng(3)
    direction = vectors[0]
    far = np.argsort(vectors @ direction)
    for kind in ("random", "far"):
        for share in _SHARES:
            count = max(_K, int(share * len(vectors)))
            chosen = random.permutation(len(vectors))[:count] if kind == "random" else far[:count]
            ids = np.sort(chosen).astype(np.int64) + 1
            near = queries if kind == "random" else queries + direction
            ask = near / np.linalg.norm(near, axis=1, keepdims=True)
            table.add_row(kind, f"{100 * share:g} %", *measured(snapshot, vectors, ids, ask))
    console.print(table)


def measured(snapshot: Snapshot, vectors: Vectors, ids: Ids, queries: Vectors) -> list[str]:
    """Return the cells of one filter."""
    mine = np.ascontiguousarray(snapshot.vectors(ids))
    k = min(_K, len(ids))

    def brute(query: Vectors) -> Ids:
        scores = mine @ query[0]
        best: Ids = ids[np.argpartition(-scores, k - 1)[:k]]
        return best

    numpy_ms, truth = timed(brute, queries)
    cells = [f"{numpy_ms:.2f}"]
    started = time.perf_counter()
    snapshot.among(ids)
    narrow_ms = 1000 * (time.perf_counter() - started)
    for few, sparse in ((layers.FEW, layers._SPARSE), (0, 0.0), (len(vectors), 1.1)):
        with thresholds(few, sparse):
            narrowed = snapshot.among(ids)
        lamina_ms, found = timed(lambda query, one=narrowed: one.search(query, k)[1][0], queries)  # type: ignore[misc]
        cells += [f"{lamina_ms:.2f}"]
        cells += [f"{lamina_ms / numpy_ms:.2f}"] if few == layers.FEW else []
        cells += [f"{recall(found, truth):.3f}"]
    return [*cells, f"{narrow_ms:.1f}"]


def resolve(folder: Path, documents: int) -> None:
    """Print how long the catalog takes to say which vectors match."""
    database = Database(f"sqlite:///{folder / 'catalog.db'}")
    database.migrate()
    card = EncoderCard(name="none", fingerprint="f" * 64, dimension=4, max_tokens=16)
    draft = SpaceDraft(encoder=card, metric=Metric.COSINE, chunking=Chunking())
    collection = SqlCollections(database).create("c", draft)
    inbox, random = SqlInbox(database), np.random.default_rng(5)
    started = time.perf_counter()
    for start in range(0, documents, 1000):
        some = tuple(_document(number, random) for number in range(start, start + 1000))
        inbox.accept(Submission(collection="c", source="bench", documents=some))
    accepted = documents / (time.perf_counter() - started)
    with database.write() as tx:
        rows = [
            {"vector_id": one, "revision_id": one, "space_id": collection.space.id, "ordinal": 0,
             "begins": 0, "ends": 4, "tokens": 1}
            for one in tx.scalars(select(RevisionRow.id))
        ]  # fmt: skip
        tx.execute(insert(ChunkRow), rows)
    console.print(f"{documents:,} documents of 4 fields accepted at {accepted:,.0f} a second")
    table = Table("filter", "matches", "whole index ms", "1,000 new vectors ms")
    matching = SqlMatching(database)
    for text in _FILTERS:
        condition = read_text(text, _LIMITS)
        cells = []
        for first in (1, documents - 999):
            started = time.perf_counter()
            found = matching.matching(
                collection.id, collection.space.id, condition, first=first, last=documents
            )
            took = 1000 * (time.perf_counter() - started)
            cells += [f"{len(found):,}"] * (first == 1) + [f"{took:.1f}"]
        table.add_row(text, *cells)
    database.close()
    console.print(table)


def _document(number: int, random: np.random.Generator) -> NewDocument:
    metadata: dict[str, Json] = {
        "number": number,
        "lang": str(random.choice(["en", "de", "fr", "it"])),
        "year": int(random.integers(1950, 2026)),
    }
    extra: dict[str, Json] = (
        {"draft": True} if number % 10 == 0 else {"by": f"author {number % 500}"}
    )
    return NewDocument(id=f"d{number}", text="text", metadata=metadata | extra)


def main() -> None:
    """Run the comparison."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--vectors", type=int, default=100_000)
    parser.add_argument("--dimension", type=int, default=384)
    parser.add_argument("--policy", type=Policy, default=Policy.HNSW)
    given = parser.parse_args()
    clusters = Clusters(given.dimension)
    vectors = clusters.vectors(0, given.vectors)
    with tempfile.TemporaryDirectory() as folder:
        snapshot = lay_out(Path(folder), vectors, given.policy)
        compare(snapshot, vectors, clusters.queries(_QUERIES))
        resolve(Path(folder), given.vectors)


if __name__ == "__main__":
    limit_threads()
    main()
