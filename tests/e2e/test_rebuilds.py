"""A collection is cut otherwise by the real programs, while others search it and write into it."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.e2e.client import Client
from tests.running import RunningLamina

PARTS = ("harbour", "lantern", "orchard", "granite", "violin", "glacier")


def text_of(number: int) -> str:
    """Return a text of several short paragraphs, told apart by its number."""
    return "\n\n".join(
        f"Report {number} on the {part}: what was seen of it, and what it means for the {part}."
        for part in PARTS
    )


@contextmanager
def searching(lamina: RunningLamina, name: str) -> Iterator[list[tuple[int, int]]]:
    """Search all the while; yield a growing list of (version, documents found)."""
    found: list[tuple[int, int]] = []
    faults: list[BaseException] = []
    end = threading.Event()

    def search() -> None:
        with Client(lamina.url) as client:
            while not end.is_set():
                try:
                    answer = client.search(name, "report on the lantern", k=100)
                except BaseException as error:  # noqa: BLE001 - told by the test
                    faults.append(error)
                    return
                found.append((answer["version"], len(answer["hits"])))

    thread = threading.Thread(target=search)
    thread.start()
    try:
        yield found
    finally:
        end.set()
        thread.join()
    assert not faults, faults


@pytest.mark.slow
def test_a_collection_is_cut_otherwise_under_searches_and_writes(
    lamina: RunningLamina, client: Client
) -> None:
    name = client.create("recut")
    client.add(name, *({"id": f"d{number:02}", "text": text_of(number)} for number in range(24)))
    before = client.get(f"/collections/{name}")
    jobs = []
    with searching(lamina, name) as found:
        begun = lamina.succeed("collections", "rebuild", name, "--max-tokens", "32")
        for number in range(4):
            jobs.append(client.submit(name, {"id": f"new{number}", "text": text_of(100 + number)}))
            jobs.append(client.submit(name, {"id": f"d{number:02}", "text": text_of(200 + number)}))
        done = lamina.succeed("collections", "rebuild", name, "--wait")
        for job in jobs:
            client.finish(job)
        client.search(name, "anything", after=jobs[-1])

    assert (done["state"], done["job"]) == ("done", begun["job"])
    assert client.finish(begun["job"])["counts"]["indexed"] == done["of"]
    after = client.get(f"/collections/{name}")
    assert (after["documents"], after["chunking"]["max_tokens"]) == (28, 32)
    assert after["vectors"] > 3 * before["vectors"]
    versions = [version for version, _ in found]
    assert versions == sorted(versions)
    assert min(hits for _, hits in found) >= 24, "no document was ever missing"
    for number in range(4):
        changed = client.get(f"/collections/{name}/documents/d{number:02}")
        assert changed["text"] == text_of(200 + number)
        assert len(changed["chunks"]) > 3
    old = client.search(name, "report on the lantern", version=before["version"], k=100)
    assert len(old["hits"]) == 24
    lamina.succeed("fsck", name, "--sample", "200")
