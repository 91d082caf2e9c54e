"""What a user sees: a burst of single documents, and one document on an idle system.

    ./run bench burst [--documents N]

Burst: N requests of one document each, from 32 connections at once; then every document is
searched by its own title. Idle: twenty documents, one at a time; how long until a search finds it.
"""

import argparse
import json
import statistics
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx

from tests.datasets import scifact_documents
from tests.faults.ledger import wait_until_quiet
from tests.running import RunningLamina

_COLLECTION = "/api/v1/collections/burst"


def burst(http: httpx.Client, url: str, documents: Sequence[dict[str, str]]) -> dict[str, object]:
    """Post every document in a request of its own; return what it took."""
    taken: list[float] = []

    def post(document: dict[str, str]) -> None:
        started = time.perf_counter()
        answer = http.post(f"{_COLLECTION}/documents", json={"documents": [document]})
        taken.append(1000 * (time.perf_counter() - started))
        assert answer.status_code == httpx.codes.ACCEPTED, answer.text

    started = time.perf_counter()
    with ThreadPoolExecutor(32) as pool:
        list(pool.map(post, documents))
    accepted = time.perf_counter() - started
    wait_until_quiet(url, 900)
    searchable = time.perf_counter() - started
    claims = http.get("/api/v1/claims", params={"limit": 1000}).json()["claims"]
    sizes = [claim["documents"] for claim in claims if claim["documents"]]
    return {
        "accepted_seconds": accepted,
        "accept_ms_p50": statistics.median(taken),
        "accept_ms_p95": statistics.quantiles(taken, n=20)[18],
        "searchable_seconds": searchable,
        "claims": len(sizes),
        "documents_per_claim_median": statistics.median(sizes),
        "tokens_per_second_median": statistics.median(
            claim["tokens_per_second"] for claim in claims if claim["tokens_per_second"]
        ),
    }


def not_first(http: httpx.Client, documents: Sequence[dict[str, str]]) -> list[dict[str, str]]:
    """Return the documents that are not at rank 1 for their own title, and what is."""

    def first(document: dict[str, str]) -> dict[str, str]:
        answer = http.post(f"{_COLLECTION}/search", json={"q": document["title"], "k": 1})
        answer.raise_for_status()
        hit: dict[str, str] = answer.json()["hits"][0]
        return hit

    with ThreadPoolExecutor(8) as pool:
        hits = list(pool.map(first, documents))
    return [
        {"title": document["title"], "first": hit["title"]}
        for document, hit in zip(documents, hits, strict=True)
        if hit["id"] != document["id"]
    ]


def idle_seconds(http: httpx.Client, documents: Sequence[dict[str, str]]) -> list[float]:
    """Return, for each document, the seconds from posting until a search finds it."""
    seconds = []
    for document in documents:
        time.sleep(1)
        started = time.perf_counter()
        http.post(f"{_COLLECTION}/documents", json={"documents": [document]}).raise_for_status()
        while True:
            answer = http.post(f"{_COLLECTION}/search", json={"q": document["title"], "k": 3})
            if document["id"] in [hit["id"] for hit in answer.json()["hits"]]:
                break
            time.sleep(0.01)
        seconds.append(time.perf_counter() - started)
    return seconds


def run(count: int) -> dict[str, object]:
    """Run both and return the figures."""
    documents = scifact_documents(count + 20)
    with tempfile.TemporaryDirectory() as folder, RunningLamina(Path(folder) / "var") as lamina:
        limits = httpx.Limits(max_connections=32)
        with httpx.Client(base_url=lamina.url, timeout=60, limits=limits) as http:
            http.post("/api/v1/collections", json={"name": "burst"}).raise_for_status()
            idle = idle_seconds(http, documents[count:])
            figures = burst(http, lamina.url, documents[:count])
            missed = not_first(http, documents[:count])
    return {
        "documents": count,
        "burst": figures,
        "rank_1_by_own_title": 1 - len(missed) / count,
        "not_first": missed,
        "idle_seconds_to_found": {"median": statistics.median(idle), "worst": max(idle)},
    }


def main() -> None:
    """Print the figures as JSON, which is short enough to read."""
    parser = argparse.ArgumentParser(prog="./run bench burst", description=__doc__)
    parser.add_argument("--documents", type=int, default=1000, help="how many (default 1000)")
    print(json.dumps(run(parser.parse_args().documents), indent=2))


if __name__ == "__main__":
    main()
