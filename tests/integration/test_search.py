"""Searching over the real catalog and index files while versions come and go."""

import threading
import time
from pathlib import Path

import numpy as np
import pytest

from shared.domain import Metric
from shared.errors import (
    CollectionNotFound,
    CorruptFile,
    InvalidRequest,
    JobNotFound,
    Overloaded,
    VersionNotFound,
)
from shared.indexing import index_next
from shared.search import SearchRequest, search
from tests.worlds import World


def test_an_empty_collection_answers_with_no_hits_at_version_zero(world: World) -> None:
    result = world.search("anything")

    assert (result.version, result.hits) == (0, ())


def test_the_answer_says_which_version_when_and_how_many_wait(world: World) -> None:
    world.add({"id": "a", "text": "one"})
    world.index_all()
    world.add({"id": "b", "text": "two"})

    result = world.search("one")

    assert (result.version, result.waiting) == (1, 1)
    assert result.published_at == world.head().published_at
    assert {"wait", "encode", "search", "fetch", "total"} == result.took_ms.keys()


def test_after_waits_until_the_job_is_in_what_is_searched(world: World) -> None:
    receipt = world.add({"id": "a", "text": "patience"})
    worker = threading.Timer(0.2, index_next, args=(world.bench,))
    worker.start()

    result = search(
        world.searcher, SearchRequest(collection="c", query="patience", after=receipt.job_id)
    )

    worker.join()
    assert result.after is not None
    assert result.after.done
    assert [hit.id for hit in result.hits] == ["a"]


def test_after_answers_undone_when_the_limit_has_passed(world: World) -> None:
    receipt = world.add({"id": "a", "text": "nobody works"})
    hasty = world.with_after_seconds(0.1)

    result = search(hasty, SearchRequest(collection="c", query="x", after=receipt.job_id))

    assert result.after is not None
    assert not result.after.done
    assert result.waiting == 1


def test_after_counts_a_failed_document_as_finished(world: World) -> None:
    world.encoder.refuse("poison")
    receipt = world.add({"id": "a", "text": "poison"})
    world.index_all()

    result = search(world.searcher, SearchRequest(collection="c", query="x", after=receipt.job_id))

    assert result.after is not None
    assert result.after.done


def test_too_many_waiting_searches_are_turned_away(world: World) -> None:
    receipt = world.add({"id": "a", "text": "nobody works"})
    request = SearchRequest(collection="c", query="x", after=receipt.job_id)
    searcher = world.with_after_seconds(3)
    waiting = [threading.Thread(target=search, args=(searcher, request)) for _ in range(2)]
    for thread in waiting:
        thread.start()
    while searcher.waiters.acquire(blocking=False):
        searcher.waiters.release()
        time.sleep(0.01)

    with pytest.raises(Overloaded):
        search(searcher, request)
    for thread in waiting:
        thread.join()


def test_a_job_of_another_collection_cannot_be_waited_for(world: World) -> None:
    receipt = world.add({"id": "a", "text": "x"})
    world.create("other")

    with pytest.raises(InvalidRequest, match="belongs to collection 'c'"):
        search(
            world.searcher,
            SearchRequest(collection="other", query="x", after=receipt.job_id),
        )


@pytest.mark.parametrize(
    ("request_", "error"),
    [
        (SearchRequest(collection="c", query=" \n"), InvalidRequest),
        (SearchRequest(collection="c", query="x" * 1001), InvalidRequest),
        (SearchRequest(collection="c", query="x", k=0), InvalidRequest),
        (SearchRequest(collection="c", query="x", k=101), InvalidRequest),
        (SearchRequest(collection="c", query="x", version=1, after="j"), InvalidRequest),
        (SearchRequest(collection="nope", query="x"), CollectionNotFound),
        (SearchRequest(collection="c", query="x", version=9), VersionNotFound),
        (SearchRequest(collection="c", query="x", after="nope"), JobNotFound),
    ],
)
def test_what_cannot_be_answered_is_refused(
    world: World, request_: SearchRequest, error: type[Exception]
) -> None:
    with pytest.raises(error):
        search(world.searcher, request_)


def test_a_hundred_passages_of_one_document_do_not_hide_the_others(world: World) -> None:
    world.add(
        {
            "id": "long",
            "text": "\n\n".join(f"needle number {n} " + "hay " * 200 for n in range(40)),
        },
        {"id": "short", "text": "something else"},
    )
    world.index_all()

    assert set(world.found("needle number 1")) == {"long", "short"}


def test_l2_reports_the_distance_not_its_square(tmp_path: Path) -> None:
    with World.open(tmp_path, metric=Metric.L2) as world:
        world.add({"id": "a", "text": "tides"}, {"id": "b", "text": "treaties"})
        world.index_all()
        query, _ = world.encoder.encode_queries(["tides"])
        stored = world.vectors()

        hits = world.hits("tides")

        expected = sorted(float(np.linalg.norm(row - query[0])) for row in stored)
        assert [hit.score for hit in hits] == pytest.approx(expected, abs=1e-5)


def test_a_reader_keeps_its_snapshot_while_new_versions_come(world: World) -> None:
    world.add({"id": "a", "text": "one"})
    world.index_all()
    held = world.searcher.snapshots.newest(world.collection.id)
    for number in range(5):
        world.add({"id": "a", "text": f"other {number}"})
        world.index_all()

    assert len(held.snapshot.ids()) == 1
    assert world.searcher.snapshots.at_least(world.collection.id, 6).head.version == 6


def test_a_damaged_segment_is_never_served_and_the_last_good_snapshot_is(world: World) -> None:
    world.add({"id": "a", "text": "one"})
    world.index_all()
    assert world.found("one") == ["a"]
    world.add({"id": "b", "text": "two"})
    before = set(world.files("data.faiss"))
    world.index_all()
    for path in set(world.files("data.faiss")) - before:
        damaged = bytearray(path.read_bytes())
        damaged[-1] ^= 1
        path.unlink()
        path.write_bytes(damaged)

    with pytest.raises(CorruptFile):
        world.fresh_store().open(world.store.read_manifest(world.head()))


def test_searches_never_fail_while_documents_are_added_and_replaced(world: World) -> None:
    world.add({"id": "a", "text": "zero"})
    world.index_all()
    stop = threading.Event()
    answers: list[int] = []
    failures: list[Exception] = []

    def look() -> None:
        while not stop.is_set():
            try:
                result = search(world.searcher, SearchRequest(collection="c", query="zero"))
                answers.append(result.version)
                ids = [hit.id for hit in result.hits]
                assert ids.count("a") == 1, "neither none nor both of an upsert"
            except Exception as error:  # noqa: BLE001 - reported below
                failures.append(error)
                return

    readers = [threading.Thread(target=look) for _ in range(3)]
    for reader in readers:
        reader.start()
    for number in range(15):
        world.add({"id": "a", "text": f"zero {number}"}, {"id": f"b{number}", "text": "more"})
        world.index_all()
    stop.set()
    for reader in readers:
        reader.join()

    assert failures == []
    assert answers
