"""Filters, pages, several questions, documents like another, vectors in and out."""

import threading
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from shared.domain import Chunking, Hit, IndexRule, Json, Metric, Policy, SearchResult
from shared.errors import DocumentNotFound, InvalidRequest, VersionExpired
from shared.filters import read_text
from shared.index import layers
from shared.ingest import deletion, submit
from shared.searching.cursors import Cursor
from shared.searching.search import BatchRequest, Query, SearchRequest, search, search_all
from shared.settings import MergeSettings
from shared.upkeep.merging import merge_next, relay_next
from tests.worlds import SEARCH_LIMITS, World

WORDS = ["moss", "stone", "river", "cloud", "ember", "frost", "grain", "shell"]


def ask(world: World, query: str | None = "moss stone", **asked: Any) -> SearchResult:
    """Search the newest version, or the one that is asked for."""
    if isinstance(where := asked.get("where"), str):
        asked["where"] = read_text(where, SEARCH_LIMITS.filter)
    if not asked.keys() & {"version", "cursor"}:
        asked["min_version"] = world.head().version
    return search(world.searcher, SearchRequest(collection="c", query=query, **asked))


def ids(result: SearchResult) -> list[str]:
    return [hit.id for hit in result.hits]


def fill(world: World, count: int, start: int = 0) -> None:
    """Add documents of a few words each, with metadata to filter by."""
    random = np.random.default_rng(start)
    documents: list[Json] = [
        {
            "id": f"d{number}",
            "text": " ".join(random.choice(WORDS, 5)) + f" w{number}",
            "metadata": {"number": number, "even": number % 2 == 0, "tags": [f"t{number % 5}"]},
        }
        for number in range(start, start + count)
    ]
    world.add(*documents)
    world.index_all()


def whole(world: World, **asked: Any) -> list[str]:
    """Return all documents in order, by looking at every one."""
    searcher = replace(world.searcher, max_k=1000)
    request = SearchRequest(collection="c", query="moss stone", k=400, exact=True, **asked)
    return [hit.id for hit in search(searcher, request).hits]


def test_a_filter_is_what_brute_force_over_the_filtered_documents_gives(world: World) -> None:
    for start in range(0, 90, 30):
        fill(world, 30, start)
    world.add({"id": "d4", "text": "moss stone", "metadata": {"number": 1000}})
    submit(world.inbox, world.bell, deletion("d8", collection="c", source="api"))
    world.index_all()
    order = whole(world, min_version=world.head().version)

    for where, right in (
        ("even = true", lambda n: n % 2 == 0 and n != 4),
        ('number < 20 and not tags = "t0"', lambda n: n < 20 and n % 5 and n != 4),
        ("number = 1000 or number in [8, 9]", lambda n: n in (4, 9)),
        ("not exists(even)", lambda n: n == 4),
        ("exists(nothing)", lambda n: False),
    ):
        wanted = [one for one in order if right(int(one[1:]))]
        found = ask(world, where=where, k=60)
        assert ids(found) == wanted[:60], where
        assert ids(ask(world, where=where, k=3)) == wanted[:3]


def test_a_filter_is_right_at_every_version_and_while_versions_come(world: World) -> None:
    fill(world, 10)
    before = world.head().version
    world.add({"id": "d1", "text": "moss", "metadata": {"number": 1, "even": True}})
    world.index_all()

    old = ask(world, where="even = true", k=20, version=before)
    new = ask(world, where="even = true", k=20)
    fill(world, 4, 10)
    newest = ask(world, where="even = true", k=20)

    evens = {f"d{number}" for number in range(0, 10, 2)}
    assert set(ids(old)) == evens
    assert set(ids(new)) == evens | {"d1"}
    assert set(ids(newest)) == evens | {"d1", "d10", "d12"}


def test_a_new_version_asks_only_for_its_new_segments(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[tuple[int, int]] = []
    inner = world.searcher.matching.matching

    def counted(*given: Any, first: int, last: int) -> Any:
        asked.append((first, last))
        return inner(*given, first=first, last=last)

    monkeypatch.setattr(world.searcher.narrowing, "_matching", world.searcher.matching)
    monkeypatch.setattr(world.searcher.matching, "matching", counted, raising=False)
    fill(world, 10)
    ask(world, where="even = true")
    ask(world, where="even = true", k=2)
    fill(world, 10, 10)
    ask(world, where="even = true")

    assert len(asked) == 2
    assert asked[0][1] < asked[1][0]


@pytest.fixture(params=["flat", "hnsw"])
def laid(request: pytest.FixtureRequest, tmp_path: Path) -> Any:
    """A world of 400 documents in one large segment and a few small ones."""
    merge = MergeSettings(floor=10, fan_in=2, ann_from=10)
    with World.open(tmp_path, merge=merge) as world:
        world.collections.configure("c", index=IndexRule(policy=Policy(request.param)))
        for start in range(0, 400, 100):
            fill(world, 100, start)
        upkeep = world.upkeep()
        while merge_next(upkeep) or relay_next(upkeep):
            pass
        largest = max(world.manifest().segments, key=lambda one: one.live)
        assert largest.live >= 256
        assert largest.layout is not None
        assert largest.layout.policy.value == request.param
        yield world


@pytest.mark.parametrize("k", [7, 40])
def test_pages_never_repeat_or_skip_a_document(laid: World, k: int) -> None:
    searcher = replace(laid.searcher, limits=replace(SEARCH_LIMITS, depth=10_000))
    request = SearchRequest(
        collection="c", query="moss stone", k=k, min_version=laid.head().version
    )
    first = page = search(searcher, request)
    seen = ids(page)
    for number in range(1000):
        if page.cursor is None:
            break
        if number == 1:  # publishing goes on beside
            fill(laid, 5, 400)
            merge_next(laid.upkeep())
        page = search(searcher, replace(request, min_version=None, cursor=page.cursor))
        assert page.version == first.version
        seen += ids(page)

    assert len(seen) == len(set(seen)), "[pages] a document came twice"
    assert set(seen) == {f"d{number}" for number in range(400)}, "[pages] a document is missing"
    scores = [hit.score for hit in first.hits]
    assert scores == sorted(scores, reverse=True)
    assert seen[:k] == ids(first)


def test_pages_go_through_a_filter_and_end(world: World) -> None:
    fill(world, 50)
    request = SearchRequest(
        collection="c",
        query="moss stone",
        k=10,
        where=read_text("even = true", SEARCH_LIMITS.filter),
        min_version=world.head().version,
    )
    first = search(world.searcher, request)
    request = replace(request, min_version=None)
    second = search(world.searcher, replace(request, cursor=first.cursor))
    third = search(world.searcher, replace(request, cursor=second.cursor))

    assert [len(one.hits) for one in (first, second, third)] == [10, 10, 5]
    assert third.cursor is None
    assert len({*ids(first), *ids(second), *ids(third)}) == 25


def test_a_cursor_of_another_question_or_none_is_refused(world: World) -> None:
    fill(world, 30)
    cursor = ask(world, k=5).cursor
    assert cursor is not None

    for query, asked in (
        ("other", {}),
        ("moss stone", {"exact": True}),
        ("moss stone", {"min_score": 0.5}),
        ("moss stone", {"where": "even = true"}),
    ):
        with pytest.raises(InvalidRequest, match="belongs to another question"):
            ask(world, query, cursor=cursor, **asked)
    for text in ("", "x", "AAAA", "W10", cursor[:-3], "WzEsMV0", "é"):
        with pytest.raises(InvalidRequest, match="is not a cursor"):
            ask(world, cursor=text)
    with pytest.raises(InvalidRequest, match="cannot go with `after`"):
        ask(world, cursor=cursor, after="j")
    with pytest.raises(InvalidRequest, match="not of 0"):
        ask(world, cursor=cursor, version=0)
    with pytest.raises(InvalidRequest, match="older than `min_version`"):
        ask(world, cursor=cursor, min_version=99)


def test_pages_end_at_the_depth_that_is_allowed_and_say_so(world: World) -> None:
    fill(world, 70)
    first = ask(world, k=50)
    assert first.cursor is not None

    second = ask(world, k=50, cursor=first.cursor)

    assert (len(second.hits), second.cursor) == (10, None)
    assert second.warnings == (
        "Only the first 60 documents can be paged through; ask more narrowly.",
    )
    beyond = replace(Cursor.read(first.cursor, ""), offset=60).written()
    with pytest.raises(InvalidRequest, match="past the first 60 documents"):
        ask(world, cursor=beyond)


def test_a_cursor_expires_with_its_version(world: World) -> None:
    fill(world, 30)
    page = ask(world, k=5)
    fill(world, 5, 30)
    fill(world, 5, 40)
    world.versions.expire(world.collection.id, [page.version])

    with pytest.raises(VersionExpired):
        ask(world, cursor=page.cursor)
    rewritten = replace(Cursor.read(ask(world, k=5).cursor or "", ""), manifest="0" * 16).written()
    with pytest.raises(VersionExpired, match="was rewritten, by a purge or a repair"):
        ask(world, cursor=rewritten)


def test_several_questions_are_answered_from_one_version_and_encoded_once(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(world, 30)
    passes: list[Sequence[str]] = []
    inner = world.encoder.encode_queries

    def counted(texts: Sequence[str]) -> Any:
        passes.append(list(texts))
        return inner(texts)

    monkeypatch.setattr(world.encoder, "encode_queries", counted)
    even = read_text("even = true", SEARCH_LIMITS.filter)

    some = search_all(
        world.searcher,
        BatchRequest(
            collection="c",
            queries=(
                Query(query="moss", k=3),
                Query(query="stone", k=5, where=even),
                Query(query="moss", k=4),
                Query(like="d3", k=2),
            ),
            min_version=world.head().version,
        ),
    )

    assert passes == [["moss", "stone"]]
    assert [len(one.hits) for one in some] == [3, 5, 4, 2]
    assert ids(some[1]) == ids(ask(world, "stone", k=5, where="even = true"))
    assert ids(some[0]) == ids(some[2])[:3]


def test_of_several_questions_all_are_refused_with_each_thing_wrong(world: World) -> None:
    queries = (Query(query="x"), Query(query=" ", k=0), Query(query="x", vector=(1.0,)), Query())

    with pytest.raises(InvalidRequest) as raised:
        search_all(world.searcher, BatchRequest(collection="c", queries=queries))

    assert [one.pointer for one in raised.value.faults] == [
        "/queries/1/q",
        "/queries/1/k",
        "/queries/2/q",
        "/queries/3/q",
    ]
    for count in (0, 9):
        with pytest.raises(InvalidRequest, match="holds 1 to 8 queries"):
            search_all(
                world.searcher, BatchRequest(collection="c", queries=[Query(query="x")] * count)
            )
    with pytest.raises(InvalidRequest, match="asks for 600 passages"):
        ask(world, k=100, passages=6)


def test_documents_like_another_leave_it_out_and_follow_its_version(world: World) -> None:
    world.add(
        {"id": "a", "text": "moss and stone"},
        {"id": "b", "text": "moss and river"},
        {"id": "c", "text": "frost"},
    )
    world.index_all()
    before = world.head().version
    world.add({"id": "a", "text": "frost shell"})
    world.index_all()

    assert ids(ask(world, None, like="a", version=before))[0] == "b"
    assert ids(ask(world, None, like="a"))[0] == "c"
    assert "a" not in ids(ask(world, None, like="a", k=10))
    with pytest.raises(DocumentNotFound, match="Version 2 holds no document 'z'"):
        ask(world, None, like="z")


def test_a_vector_asks_as_its_words_would_and_comes_back_as_it_is_stored(world: World) -> None:
    fill(world, 20)
    vectors, _ = world.encoder.encode_queries(["moss stone"])
    vector = tuple((5 * vectors[0]).tolist())  # scaled to unit length as the metric asks

    by_words, by_vector = ask(world), ask(world, None, vector=vector, vectors=True)

    assert ids(by_vector) == ids(by_words)
    assert [hit.score for hit in by_vector.hits] == pytest.approx(
        [hit.score for hit in by_words.hits], abs=1e-6
    )
    for hit in by_vector.hits:
        assert hit.vector is not None
        assert float(np.dot(hit.vector, vectors[0])) == pytest.approx(hit.score, abs=1e-5)
    again = ask(world, None, vector=by_vector.hits[3].vector, k=1)
    assert ids(again) == [by_vector.hits[3].id]


@pytest.mark.parametrize(
    ("vector", "fault"),
    [
        ((1.0,) * 31, "31 values; the collection's vectors have 32"),
        ((float("nan"),) * 32, "not finite"),
        ((1e16,) * 32, "beyond 1e\\+15"),
        ((0.0,) * 32, "is zero, which has no direction"),
    ],
)
def test_a_vector_that_cannot_ask_is_refused(
    world: World, vector: tuple[float, ...], fault: str
) -> None:
    with pytest.raises(InvalidRequest, match=fault):
        ask(world, None, vector=vector)


@pytest.mark.parametrize("metric", Metric)
def test_nothing_worse_than_the_least_score_is_found(tmp_path: Path, metric: Metric) -> None:
    with World.open(tmp_path, metric=metric) as world:
        fill(world, 40)
        everything = ask(world, k=40).hits
        least = everything[9].score

        found = ask(world, k=40, min_score=least)

        assert [hit.id for hit in found.hits] == [hit.id for hit in everything[:10]]
        assert found.cursor is None


def test_the_best_passages_of_each_document_come_with_their_scores(tmp_path: Path) -> None:
    with World.open(tmp_path, chunking=Chunking(max_tokens=4, overlap_tokens=0)) as world:
        world.add(
            {"id": "long", "text": "moss moss moss moss stone stone river river frost " * 4},
            {"id": "short", "text": "moss stone"},
        )
        world.index_all()

        several = ask(world, "moss", passages=3, vectors=True)
        every = ask(world, "moss", passages=50)

        for hit in several.hits:
            assert hit.passages[0].score == hit.score
            assert (hit.passages[0].start, hit.passages[0].passage) == (hit.start, hit.passage)
            assert all(one.vector is not None for one in hit.passages)
        assert {hit.id: len(hit.passages) for hit in several.hits} == {"long": 3, "short": 1}
        scores = {hit.id: [one.score for one in hit.passages] for hit in every.hits}
        assert scores["long"] == sorted(scores["long"], reverse=True)
        assert len(scores["long"]) == 9
        assert scores["long"][:3] == [one.score for one in by_id(several.hits, "long").passages]
        worst = scores["long"][2]
        limited = ask(world, "moss", passages=50, min_score=worst)
        assert all(one.score >= worst for hit in limited.hits for one in hit.passages)


def by_id(hits: Sequence[Hit], name: str) -> Hit:
    return next(hit for hit in hits if hit.id == name)


def test_pages_hold_together_while_others_publish(world: World) -> None:
    fill(world, 60)
    stop = threading.Event()

    def publish() -> None:
        number = 100
        while not stop.is_set():
            fill(world, 3, number)
            number += 3

    writer = threading.Thread(target=publish)
    writer.start()
    try:
        for _ in range(5):
            page = ask(world, k=9)
            seen = ids(page)
            while page.cursor:
                page = ask(world, k=9, cursor=page.cursor)
                seen += ids(page)
            assert len(seen) == len(set(seen)) == 60, "[pages] a document came twice, or not at all"
    finally:
        stop.set()
        writer.join()


def test_few_and_many_are_searched_in_their_own_ways(
    laid: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the threshold at nothing the layout itself passes over what does not match."""
    order = whole(laid, version=laid.head().version)
    evens = [one for one in order if int(one[1:]) % 2 == 0][:10]

    assert ids(ask(laid, where="even = true")) == evens
    monkeypatch.setattr(layers, "FEW", 0)
    laid.searcher.narrowing._snapshots._values.clear()
    assert len(set(ids(ask(laid, where="even = true"))) & set(evens)) >= 9
