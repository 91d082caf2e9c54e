"""How fast documents become searchable, and what that costs searches meanwhile.

Three ways to encode the same texts, in turns so that a noisy neighbour hits all alike:

A  sentence-transformers' `encode` with its defaults, model warm, one process
B  Lamina end to end: from the first HTTP request until a reader has loaded the last document
C  Lamina's bare encoder (chunk and encode), in as many one-thread processes as B has workers

Then the latency of searches over HTTP, query encoding included, idle and while B runs.

    ./run bench pipeline [--documents N] [--rounds N] [--json]
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from pathlib import Path

import httpx

from tests.datasets import scifact_documents
from tests.running import RunningLamina

_QUERIES = [
    "does vitamin d protect against infection",
    "statins and muscle pain in older people",
    "how do cells repair broken DNA",
    "bacteria that resist antibiotics in hospitals",
    "gene therapy for inherited blindness",
]


def child(mode: str, texts: Path, environment: dict[str, str], *more: str) -> subprocess.Popen[str]:
    """Start one encoding process that waits for a line on its standard input to begin."""
    return subprocess.Popen(
        [sys.executable, "-m", "tests.benchmarks.bare", mode, str(texts), *more],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, **environment},
    )


def encode_in(children: Sequence[subprocess.Popen[str]]) -> float:
    """Let all children begin together; return the seconds until the last has ended."""
    for process in children:
        assert process.stdout
        assert process.stdout.readline() == "ready\n"
    started = time.perf_counter()
    for process in children:
        assert process.stdin
        process.stdin.write("go\n")
        process.stdin.flush()
    for process in children:
        assert process.stdout
        assert process.stdout.readline() == "done\n"
    seconds = time.perf_counter() - started
    for process in children:
        process.communicate()
        assert process.returncode == 0
    return seconds


def index(http: httpx.Client, collection: str, documents: Sequence[dict[str, str]]) -> float:
    """Submit every document; return the seconds until all are searchable."""
    created = http.post(
        "/api/v1/collections", json={"name": collection, "chunking": {"mode": "none"}}
    )
    created.raise_for_status()
    started = time.perf_counter()
    jobs = []
    for start in range(0, len(documents), 250):
        answer = http.post(
            f"/api/v1/collections/{collection}/documents?lane=bulk",
            json={"documents": documents[start : start + 250]},
        )
        answer.raise_for_status()
        jobs.append(answer.json()["job"]["id"])
    for job in jobs:
        while True:
            report = http.get(f"/api/v1/jobs/{job}").json()
            if report["finished"] and report["stages"]["first_loaded_at"]:
                break
            time.sleep(0.1)
        assert report["counts"]["indexed"] == report["total"], report
    return time.perf_counter() - started


def latencies(http: httpx.Client, collection: str, count: int, pause: float) -> list[float]:
    """Search *count* times, *pause* seconds apart; return each latency in milliseconds."""
    taken = []
    for number in range(count):
        started = time.perf_counter()
        answer = http.get(
            f"/api/v1/collections/{collection}/search",
            params={"q": f"{_QUERIES[number % len(_QUERIES)]} {number}", "k": 10},
        )
        taken.append(1000 * (time.perf_counter() - started))
        answer.raise_for_status()
        time.sleep(pause)
    return taken


def p95(values: Sequence[float]) -> float:
    """Return the 95th percentile."""
    return statistics.quantiles(values, n=20)[18]


def run(count: int, rounds: int) -> dict[str, object]:
    """Run everything and return the figures."""
    documents = scifact_documents(count)
    workers = os.cpu_count() or 1
    one_thread = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    seconds: dict[str, list[float]] = {"A": [], "B": [], "C": []}
    with tempfile.TemporaryDirectory() as folder, RunningLamina(Path(folder) / "var") as lamina:
        texts = Path(folder) / "texts.json"
        texts.write_text(json.dumps(documents))
        models = str(Path(folder) / "var" / "models")
        http = httpx.Client(base_url=lamina.url, timeout=60)

        def turn_a() -> None:
            seconds["A"].append(encode_in([child("reference", texts, {}, models)]))

        def turn_c() -> None:
            parts = [
                child("bare", texts, one_thread, models, f"{part}/{workers}")
                for part in range(workers)
            ]
            seconds["C"].append(encode_in(parts))

        turn_a()
        for number in range(rounds):
            seconds["B"].append(index(http, f"bench-{number}", documents))
            turn_c()
            turn_a()
            print(f"round {number + 1}: {seconds}", file=sys.stderr, flush=True)
        idle = latencies(http, "bench-0", 200, 0.02)
        load = threading.Thread(target=index, args=(http, "bench-load", documents))
        load.start()
        time.sleep(2)
        busy: list[float] = []
        while load.is_alive() and len(busy) < 200:
            busy += latencies(http, "bench-0", 20, 0.1)
        load.join()
        http.close()
    rate = {name: count / statistics.median(taken) for name, taken in seconds.items()}
    return {
        "documents": count,
        "workers": workers,
        "seconds": seconds,
        "documents_per_second": rate,
        "pipeline_to_sentence_transformers": rate["B"] / rate["A"],
        "pipeline_to_bare_encoder": rate["B"] / rate["C"],
        "search_ms": {
            "idle_p50": statistics.median(idle),
            "idle_p95": p95(idle),
            "busy_p50": statistics.median(busy),
            "busy_p95": p95(busy),
            "busy_searches": len(busy),
        },
        "search_p95_busy_to_idle": p95(busy) / p95(idle),
    }


def main() -> None:
    """Print the figures as a table or as JSON."""
    parser = argparse.ArgumentParser(prog="./run bench pipeline", description=__doc__)
    parser.add_argument("--documents", type=int, default=1500, help="how many (default 1500)")
    parser.add_argument("--rounds", type=int, default=3, help="turns of each (default 3)")
    parser.add_argument("--json", action="store_true", help="print JSON")
    options = parser.parse_args()
    figures = run(options.documents, options.rounds)
    if options.json:
        print(json.dumps(figures, indent=2))
        return
    rate, search = figures["documents_per_second"], figures["search_ms"]
    assert isinstance(rate, dict)
    assert isinstance(search, dict)
    print(f"{figures['documents']} documents, {figures['workers']} workers, documents/s (median):")
    print(f"  A sentence-transformers  {rate['A']:8.1f}")
    print(f"  B Lamina, end to end     {rate['B']:8.1f}")
    print(f"  C Lamina's bare encoder  {rate['C']:8.1f}")
    print(f"  B / A {figures['pipeline_to_sentence_transformers']:.3f}   (aim 1.3)")
    print(f"  B / C {figures['pipeline_to_bare_encoder']:.3f}   (aim 0.97)")
    print(
        f"search ms: idle p50 {search['idle_p50']:.1f} p95 {search['idle_p95']:.1f}, "
        f"busy p50 {search['busy_p50']:.1f} p95 {search['busy_p95']:.1f}"
    )
    print(f"  busy p95 / idle p95 {figures['search_p95_busy_to_idle']:.2f}   (aim at most 1.5)")


if __name__ == "__main__":
    main()
