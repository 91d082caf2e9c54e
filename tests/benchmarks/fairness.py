"""How long a document typed into a form waits while a bulk load is under way.

    ./run bench fairness [--documents 100000] [--forms 20]

Times forms on an idle system, hands the bulk load in over `…/documents/bulk`, and times forms
again while nearly all of it waits. The aim is at most two seconds and a batch more.
"""

import argparse
import itertools
import json
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import median, quantiles

import httpx

from tests.datasets import glosses
from tests.e2e.client import Client
from tests.faults.producers import FormProducer
from tests.running import RunningLamina

_COLLECTION = "desk"
_LOAD = "load"
_PATIENCE_SECONDS = 120.0


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--documents", type=int, default=100_000, help="of the bulk load")
    parser.add_argument("--forms", type=int, default=20, help="timed before and during it")
    arguments = parser.parse_args()
    with (
        tempfile.TemporaryDirectory() as folder,
        RunningLamina(Path(folder) / "var") as lamina,
        Client(lamina.url) as client,
    ):
        for name in (_COLLECTION, _LOAD):
            client.create(name, chunking={"mode": "none"})
        form = FormProducer("form", lamina.url, _COLLECTION)
        _type_in(form, client, 0)
        idle = [_type_in(form, client, number) for number in range(1, arguments.forms + 1)]
        began = time.monotonic()
        taken = _load(lamina.url, arguments.documents)
        print(f"bulk: {taken:,} documents accepted in {time.monotonic() - began:.1f} s")
        first = arguments.forms + 1
        busy = [_type_in(form, client, first + number) for number in range(arguments.forms)]
        waiting = sum(one["waiting"] for one in client.get("/collections")["collections"])
        form.close()
    print(f"while {waiting:,} documents wait:")
    for name, seconds in (("idle", idle), ("during the load", busy)):
        p95 = quantiles(seconds, n=20)[-1]
        print(
            f"  form to searchable, {name}: median {median(seconds):.2f} s, p95 {p95:.2f} s, "
            f"worst {max(seconds):.2f} s"
        )
    print(f"  longer by (medians) {median(busy) - median(idle):.2f} s")


def _type_in(form: FormProducer, client: Client, number: int) -> float:
    """Hand a document in by form; return the seconds until a search can find it."""
    words = f"The quick note number {number} is about one thing only."
    began = time.monotonic()
    job = form.put([{"id": f"note-{number}", "title": f"Note {number}", "text": words}])
    while True:
        report = client.get(f"/jobs/{job}")
        if report["finished"] and report["stages"]["first_loaded_at"] is not None:
            return time.monotonic() - began
        if time.monotonic() - began > _PATIENCE_SECONDS:
            raise TimeoutError(f"{job} is not searchable: {report}")
        time.sleep(0.05)


def _load(url: str, count: int) -> int:
    """Hand *count* documents in as one stream; return how many were accepted."""
    answer = httpx.post(
        f"{url}/api/v1/collections/{_LOAD}/documents/bulk",
        content=_lines(count),
        headers={"Content-Type": "application/x-ndjson"},
        timeout=None,
        trust_env=False,
    )
    answer.raise_for_status()
    summary = json.loads(answer.text.splitlines()[-1])["summary"]
    return int(summary["accepted"])


def _lines(count: int) -> Iterator[bytes]:
    for number, one in zip(range(count), itertools.cycle(glosses(count)), strict=False):
        yield json.dumps(dict(one) | {"id": f"{number}"}).encode() + b"\n"


if __name__ == "__main__":
    main()
