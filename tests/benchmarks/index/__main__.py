"""What publishing, merging, opening and searching cost as an index grows.

Vectors are generated (`clustered.py` says how); queries are of the same kind and not in the
index. Everything runs through Lamina's catalog and index files; beside it, in the same run,
FAISS alone on the same vectors, and a rewrite of one FAISS file as the naive way to publish.

    ./run bench index --quick              a few minutes: 10,000 and 30,000 vectors
    ./run bench index                      10,000, 100,000 and 1,000,000 vectors
    ./run bench index --texts 20000        also WordNet glosses, really encoded
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from shared.domain import IndexRule, Policy, Vectors
from shared.settings import limit_threads
from tests.benchmarks.index import measuring
from tests.benchmarks.index.busy import busy_searches
from tests.benchmarks.index.clustered import Clusters
from tests.benchmarks.index.collection import Library
from tests.benchmarks.index.texts import encoded_glosses

_DIMENSION = 384
_FILL = 10_000
_BATCH = 1000
_REPLACED = 100
# The last stays, for what follows
_POLICIES = (Policy.FLAT, Policy.SQ8, Policy.IVFPQ, Policy.IVF, Policy.HNSW)
_FEW_POLICIES = (Policy.FLAT, Policy.HNSW)
_MANY = 500_000

Figures = dict[str, Any]


def say(words: str) -> None:
    """Tell how far the benchmark is."""
    print(f"[{time.strftime('%H:%M:%S')}] {words}", file=sys.stderr, flush=True)


def fill(library: Library, clusters: Clusters, size: int) -> Figures:
    """Bring the library to *size* vectors in versions of 10,000; return what that cost."""
    started, written = time.perf_counter(), library.disk.written
    for start in range(0, size, _FILL):
        library.publish(clusters.vectors(start, min(_FILL, size - start)))
    seconds = time.perf_counter() - started
    return {
        "fill_seconds": seconds,
        "fill_bytes_per_vector": (library.disk.written - written) / size,
    }


def lay_out(library: Library, policy: Policy) -> Figures:
    """Lay the whole head out under *policy* as the head; return what that cost."""
    written = library.disk.written
    started = time.perf_counter()
    segment = library.lay_out(IndexRule(policy=policy))
    seconds = time.perf_counter() - started
    layout = segment.layout
    assert layout is not None
    return {
        "policy": layout.policy.value,
        "spec": layout.spec,
        "effort": layout.effort,
        "measured": layout.recall,
        "refused": layout.refused,
        "memory_bytes_per_vector": layout.memory_bytes / segment.rows,
        "disk_bytes_per_vector": segment.bytes / segment.rows,
        "lay_out_seconds": seconds,
        "vectors_per_second": segment.rows / seconds,
        "written_bytes_per_vector": (library.disk.written - written) / segment.rows,
    }


def publish(library: Library, clusters: Clusters, rounds: int) -> Figures:
    """Publish batches of 1,000 new vectors, then with 100 scattered upserts among them."""
    rng = np.random.default_rng(library.documents)
    size = library.documents
    plain, upserts = [], []
    for number in range(rounds):
        vectors = clusters.vectors(2_000_000 + number * _BATCH, _BATCH)
        plain.append(library.publish(vectors))
        replaced = rng.choice(size, _REPLACED, replace=False).tolist()
        upserts.append(library.publish(vectors, replaced))
    return {
        "publish_ms": statistics.median(plain),
        "publish_p95_ms": measuring.Spread.of(plain).p95,
        "publish_upserts_ms": statistics.median(upserts),
    }


def search_policies(
    library: Library, clusters: Clusters, queries: int, policies: Sequence[Policy]
) -> list[Figures]:
    """Lay the library out in each way; return cost, recall and speed of each."""
    asked = clusters.queries(queries)
    truth = library.snapshot().search(asked, measuring.K, exact=True)[1]
    rows = []
    for policy in policies:
        figures = lay_out(library, policy)
        snapshot = library.snapshot()
        spread, found = measuring.timed_search(measuring.of_snapshot(snapshot), asked)
        rows.append(
            {"wanted": policy.value}
            | figures
            | asdict(spread)
            | {"recall": measuring.recall(found, truth)}
        )
        say(f"  {policy}: {spread.p50:.2f} ms, recall {rows[-1]['recall']:.3f}")
    return rows


def raw(clusters: Clusters, size: int, wanted: float, queries: int, threads: int) -> Figures:
    """FAISS's HNSW alone, tuned to the same recall on the same vectors and queries."""
    vectors = everything(clusters, size)
    asked = clusters.queries(queries)
    index, seconds = measuring.raw_hnsw(vectors, threads)
    flat = measuring.faiss.IndexFlatIP(vectors.shape[1])
    flat.add(vectors)
    truth = flat.search(asked, measuring.K)[1]
    del flat, vectors
    effort, reached = measuring.tune_raw(index, asked, truth, wanted)
    spread, _ = measuring.timed_search(measuring.of_raw(index, effort), asked)
    return asdict(spread) | {"effort": effort, "recall": reached, "build_seconds": seconds}


def naive(clusters: Clusters, size: int, path: Path) -> float:
    """Return the milliseconds of rewriting one FAISS file of everything."""
    return measuring.naive_rewrite(everything(clusters, size), path)


def everything(clusters: Clusters, size: int) -> Vectors:
    """Return all vectors at once."""
    vectors = np.empty((size, clusters.dimension), dtype=np.float32)
    for start in range(0, size, _FILL):
        count = min(_FILL, size - start)
        vectors[start : start + count] = clusters.vectors(start, count)
    return vectors


def tail(library: Library, clusters: Clusters, queries: int) -> Figures:
    """Search with the most that may lie unmerged beside a merged index."""
    merge = library.services.settings.merge
    present = library.manifest().segments[1:]
    room = merge.flat_budget - sum(one.live for one in present)
    missing = merge.max_segments - 1 - len(present)
    for number in range(missing):
        start = 4_000_000 + number * _FILL
        library.publish(clusters.vectors(start, room // missing))
    asked = clusters.queries(queries)
    snapshot = library.snapshot()
    truth = snapshot.search(asked, measuring.K, exact=True)[1]
    spread, found = measuring.timed_search(measuring.of_snapshot(snapshot), asked)
    unmerged = snapshot.manifest.segments[1:]
    return asdict(spread) | {
        "segments": len(unmerged),
        "vectors": sum(one.live for one in unmerged),
        "recall": measuring.recall(found, truth),
    }


def open_cold(folder: Path) -> Figures:
    """Open the index in three fresh processes: nothing cached, then verified, then warm."""
    figures = {}
    for name in ("cold", "again", "warm"):
        if name != "warm":
            drop_cache(folder / "index")
        command = [sys.executable, "-m", "tests.benchmarks.index.opening"]
        done = subprocess.run(
            [*command, str(folder), str(_DIMENSION)], capture_output=True, text=True, check=True
        )
        figures[name] = json.loads(done.stdout)
    return figures


def drop_cache(folder: Path) -> None:
    """Ask the kernel to forget the pages of every file."""
    for path in folder.rglob("*"):
        if path.is_file():
            descriptor = os.open(path, os.O_RDONLY)
            os.fsync(descriptor)
            os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
            os.close(descriptor)


def run_size(clusters: Clusters, size: int, options: argparse.Namespace) -> Figures:
    """Measure everything at one size."""
    with tempfile.TemporaryDirectory(dir=options.folder) as name:
        folder = Path(name)
        library = Library.open(folder, clusters.dimension)
        say(f"{size:,} vectors: filling")
        figures: Figures = {"size": size} | fill(library, clusters, size)
        say(f"{size:,} vectors: laying out")
        few = options.quick or (size >= _MANY and not options.all_policies)
        policies = _FEW_POLICIES if few else _POLICIES
        figures["policies"] = search_policies(library, clusters, options.queries, policies)
        hnsw = next(one for one in figures["policies"] if one["wanted"] == "hnsw")
        say(f"{size:,} vectors: FAISS alone")
        threads = library.services.settings.merge.threads
        figures["raw"] = raw(clusters, size, hnsw["recall"], options.queries, threads)
        say(f"{size:,} vectors: opening")
        figures["open"] = open_cold(folder)
        say(f"{size:,} vectors: publishing")
        figures |= publish(library, clusters, options.rounds)
        figures["naive_ms"] = naive(clusters, size, folder / "naive.faiss")
        if size == max(options.sizes):
            say(f"{size:,} vectors: searching with the largest unmerged tail")
            figures["tail"] = tail(library, clusters, options.queries)
            say(f"{size:,} vectors: searching while 1,000 a second arrive")
            figures["busy"] = busy_searches(folder, clusters.dimension, options.busy_seconds)
        library.close()
        return figures


def texts(count: int, folder: Path, queries: int) -> Figures:
    """Measure layouts on really encoded texts; held-out texts are the queries."""
    vectors = encoded_glosses(count + queries)
    with tempfile.TemporaryDirectory(dir=folder) as name:
        library = Library.open(Path(name), vectors.shape[1])
        for start in range(queries, len(vectors), _FILL):
            library.publish(vectors[start : start + _FILL])
        asked = vectors[:queries]
        truth = library.snapshot().search(asked, measuring.K, exact=True)[1]
        rows = []
        for policy in _POLICIES:
            figures = lay_out(library, policy)
            answer = measuring.of_snapshot(library.snapshot())
            spread, found = measuring.timed_search(answer, asked)
            reached = {"recall": measuring.recall(found, truth)}
            rows.append({"wanted": policy.value} | figures | asdict(spread) | reached)
        library.close()
    return {"texts": count, "policies": rows}


def print_policies(console: Console, title: str, rows: list[Figures]) -> None:
    """Print one row a policy."""
    names = ("policy", "laid out as", "recall@10", "measured", "p50 ms", "p95 ms", "B/vector")
    table = Table(*names, "in memory", "vectors/s", "effort", title=title, title_justify="left")
    for row in rows:
        measured = "exact" if row["measured"] is None else f"{row['measured']:.3f}"
        table.add_row(
            row["wanted"],
            row["spec"],
            f"{row['recall']:.3f}",
            measured,
            f"{row['p50']:.2f}",
            f"{row['p95']:.2f}",
            f"{row['disk_bytes_per_vector']:.0f}",
            f"{row['memory_bytes_per_vector']:.0f}",
            f"{row['vectors_per_second']:.0f}",
            " ".join(f"{k}:{e}" for k, e in row["effort"]) or "-",
        )
    console.print(table)


def report(figures: Figures) -> None:
    """Print everything as tables, with the ratios that were aimed at."""
    console = Console(width=140, highlight=False)
    sizes = figures["sizes"]
    for one in sizes:
        print_policies(console, f"{one['size']:,} generated vectors", one["policies"])
        hnsw = next(row for row in one["policies"] if row["wanted"] == "hnsw")
        raw_one = one["raw"]
        console.print(
            f"FAISS HNSW32 alone, efSearch {raw_one['effort']}: recall {raw_one['recall']:.3f}, "
            f"p50 {raw_one['p50']:.2f} ms, built in {raw_one['build_seconds']:.0f} s; "
            f"Lamina / FAISS p50 {hnsw['p50'] / raw_one['p50']:.2f} (aim at most 1.5)"
        )
        console.print(
            f"publish 1,000: {one['publish_ms']:.1f} ms (p95 {one['publish_p95_ms']:.1f}), with "
            f"100 upserts {one['publish_upserts_ms']:.1f}; rewrite of one FAISS file "
            f"{one['naive_ms']:.0f} ms; {one['fill_bytes_per_vector']:.0f} B written a vector"
        )
        for name, opened in one["open"].items():
            console.print(
                f"open, {name}: {opened['open_ms']:.0f} ms, first search "
                f"{opened['first_ms']:.1f} ms, second {opened['second_ms']:.2f} ms; memory "
                f"{opened['anonymous']:.0f} MiB own, {opened['rss']:.0f} MiB with mapped pages"
            )
        if "busy" in one:
            busy = one["busy"]
            console.print(
                f"search, query encoding included: idle p95 {busy['idle']['p95']:.1f} ms, while "
                f"1,000 vectors/s arrive {busy['busy']['p95']:.1f} ms "
                f"({busy['vectors_per_second']:.0f}/s came); ratio "
                f"{busy['busy']['p95'] / busy['idle']['p95']:.2f} (aim at most 2)"
            )
            last = one["tail"]
            console.print(
                f"with {last['vectors']:,} unmerged vectors in {last['segments']} segments: "
                f"p50 {last['p50']:.2f} ms, p95 {last['p95']:.2f}, recall {last['recall']:.3f}"
            )
    if len(sizes) > 1:
        for name in ("publish_ms", "publish_upserts_ms"):
            ratio = sizes[-1][name] / sizes[0][name]
            console.print(
                f"{name} at {sizes[-1]['size']:,} / at {sizes[0]['size']:,}: {ratio:.2f} "
                "(aim at most 1.3)"
            )
    if "texts" in figures:
        title = f"{figures['texts']['texts']:,} encoded texts"
        print_policies(console, title, figures["texts"]["policies"])


def main() -> None:
    """Run what the command line asks for."""
    limit_threads()
    parser = argparse.ArgumentParser(
        prog="./run bench index",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--quick", action="store_true", help="a few minutes")
    parser.add_argument("--sizes", type=int, nargs="+", help="numbers of vectors")
    parser.add_argument(
        "--all-policies",
        action="store_true",
        help=f"every policy at {_MANY:,} vectors and more too; training lists takes long",
    )
    parser.add_argument("--queries", type=int, default=300, help="held-out queries")
    parser.add_argument("--rounds", type=int, default=30, help="publishes measured a size")
    parser.add_argument("--busy-seconds", type=float, default=30.0, help="length of the load")
    parser.add_argument("--texts", type=int, default=0, help="encode so many glosses too")
    parser.add_argument("--folder", help="where to work; several GB for 1,000,000")
    parser.add_argument("--json", action="store_true", help="print JSON")
    options = parser.parse_args()
    if options.quick:
        options.sizes = options.sizes or [10_000, 30_000]
        options.busy_seconds = min(options.busy_seconds, 10.0)
        options.rounds = min(options.rounds, 15)
    options.sizes = sorted(options.sizes or [10_000, 100_000, 1_000_000])
    clusters = Clusters(_DIMENSION)
    figures: Figures = {"sizes": [run_size(clusters, one, options) for one in options.sizes]}
    if options.texts:
        figures["texts"] = texts(options.texts, options.folder, options.queries)
    if options.json:
        print(json.dumps(figures, indent=1))
    else:
        report(figures)


if __name__ == "__main__":
    main()
