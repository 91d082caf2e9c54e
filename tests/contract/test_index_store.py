"""What every index store promises, over the fake in memory, a folder and object storage."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from shared.domain import IndexRule, Metric, Policy, Segment
from shared.errors import CorruptFile
from shared.index import FolderIndexStore
from shared.index.bucket import Bucket
from shared.index.objects import ObjectFiles
from shared.ports import IndexStore
from tests.fakes.index import MemoryIndexStore, scores_of
from tests.object_storage import ObjectStorage
from tests.unit.index import given

METRICS = list(Metric)


@pytest.fixture(params=["memory", "folder", "objects"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> IndexStore:
    if request.param == "memory":
        return MemoryIndexStore()
    if request.param == "folder":
        return FolderIndexStore(tmp_path / "index")
    storage: ObjectStorage = request.getfixturevalue("object_storage")
    files = ObjectFiles(Bucket(storage.store), tmp_path / "cache", cache_bytes=10**9)
    return FolderIndexStore(tmp_path / "index", files)


def test_a_published_vector_is_its_own_nearest_neighbour(store: IndexStore) -> None:
    version = given.manifest([given.segment(store, 1, 5), given.segment(store, 6, 300)])

    scores, ids = store.open(version).search(given.vectors(1, seed=42), 3)

    assert ids[0, 0] == 42
    assert scores[0, 0] == pytest.approx(1.0, abs=1e-3)
    assert scores[0, 0] <= 1.0


@pytest.mark.parametrize("metric", METRICS)
def test_search_over_segments_equals_brute_force(store: IndexStore, metric: Metric) -> None:
    parts = [(1, 300), (301, 3), (304, 20), (324, 400)]
    segments = [given.segment(store, *part, metric=metric) for part in parts]
    version = given.manifest(segments, metric=metric)
    queries = given.vectors(4, seed=9999) * 3
    stored = store.vectors(version, given.ids(1, 723))
    truth = scores_of(stored, queries, metric)

    scores, ids = store.open(version).search(queries, 12)

    best = np.sort(-truth if metric.higher_is_better else truth, axis=1)[:, :12]
    assert scores == pytest.approx(np.abs(best) if metric is Metric.L2 else -best, abs=1e-5)
    assert scores == pytest.approx(np.take_along_axis(truth, ids - 1, axis=1), abs=1e-5)


def test_l2_scores_are_distances_not_squares(store: IndexStore) -> None:
    far = np.array([[3, 4, 0, 0, 0, 0, 0, 0]], dtype=np.float32)
    segment = store.write_segment(
        given.ATTEMPT, space_id=1, metric=Metric.L2, ids=given.ids(1, 1), vectors=far
    )
    snapshot = store.open(given.manifest([segment], metric=Metric.L2))

    scores, _ = snapshot.search(np.zeros((1, 8), dtype=np.float32), 1)

    assert scores.tolist() == [[5.0]]


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("cut", [[40], [1, 20, 19], [300, 5, 300]])
def test_equal_scores_are_ordered_by_id_even_where_k_cuts(
    store: IndexStore, metric: Metric, cut: list[int]
) -> None:
    segments, first = [], 1
    for count in cut:
        segments.append(
            store.write_segment(
                given.ATTEMPT,
                space_id=1,
                metric=metric,
                ids=given.ids(first, count),
                vectors=np.repeat(given.vectors(1), count, axis=0),
            )
        )
        first += count
    snapshot = store.open(given.manifest(segments, metric=metric))

    _, ids = snapshot.search(given.vectors(2, seed=1), 7)

    assert ids.tolist() == [[1, 2, 3, 4, 5, 6, 7]] * 2


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("rows", [30, 600])
def test_ties_go_by_id_whatever_the_order_of_segments_and_of_better_ones(
    store: IndexStore, metric: Metric, rows: int
) -> None:
    same, better = given.vectors(1), np.zeros((1, 8), dtype=np.float32)
    better[0, 0] = 1
    segments = []
    for first in (1001, 501, 1):
        tied = np.repeat(same, rows, axis=0)
        tied[-2:] = better
        segments.append(
            store.write_segment(
                given.ATTEMPT,
                space_id=1,
                metric=metric,
                ids=given.ids(first * 2, rows),
                vectors=tied,
            )
        )
    snapshot = store.open(given.manifest(segments, metric=metric))

    _, ids = snapshot.search(better, 10)

    best = [first + rows - 2 + n for first in (2, 1002, 2002) for n in (0, 1)]
    assert ids.tolist() == [[*best, 2, 3, 4, 5]], "[top-k] equals are not in the order of ids"


def test_k_larger_than_the_index_returns_all_there_is(store: IndexStore) -> None:
    snapshot = store.open(given.manifest([given.segment(store, 1, 4), given.segment(store, 5, 2)]))

    scores, ids = snapshot.search(given.vectors(3), 100)

    assert scores.shape == ids.shape == (3, 6)
    assert np.sort(ids, axis=1).tolist() == [[1, 2, 3, 4, 5, 6]] * 3


def test_an_empty_version_answers_with_nothing(store: IndexStore) -> None:
    snapshot = store.open(given.manifest([]))

    scores, ids = snapshot.search(given.vectors(2), 10)

    assert scores.shape == ids.shape == (2, 0)
    assert snapshot.ids().tolist() == []


def test_no_queries_have_no_answers(store: IndexStore) -> None:
    snapshot = store.open(given.manifest([given.segment(store, 1, 4)]))

    scores, ids = snapshot.search(given.vectors(2)[:0], 3)

    assert scores.shape == ids.shape == (0, 3)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_query_that_is_not_finite_is_refused(store: IndexStore, value: float) -> None:
    snapshot = store.open(given.manifest([given.segment(store, 1, 4)]))

    with pytest.raises(ValueError, match="finite"):
        snapshot.search(np.full((1, 8), value, dtype=np.float32), 1)


def test_a_query_of_another_shape_is_refused(store: IndexStore) -> None:
    snapshot = store.open(given.manifest([given.segment(store, 1, 4)]))

    with pytest.raises(ValueError, match="shape"):
        snapshot.search(given.vectors(1, dimension=9), 1)
    with pytest.raises(ValueError, match="k"):
        snapshot.search(given.vectors(1), 0)


@pytest.mark.parametrize("rows", [10, 400])
def test_deleted_vectors_are_never_found(store: IndexStore, rows: int) -> None:
    before = given.manifest([given.segment(store, 1, rows)])
    dead = np.array([3, 1, 7], dtype=np.int64)

    after = store.with_deleted(before, given.ATTEMPT, dead)
    snapshot = store.open(after)
    _, ids = snapshot.search(given.vectors(1, seed=3), rows)

    alive = sorted(set(range(1, rows + 1)) - {1, 3, 7})
    assert np.sort(ids).tolist() == [alive]
    assert snapshot.ids().tolist() == alive
    assert after.live == rows - 3
    assert store.open(before).search(given.vectors(1, seed=3), 1)[1].tolist() == [[3]]


def test_deletes_add_up(store: IndexStore) -> None:
    version = given.manifest([given.segment(store, 1, 50), given.segment(store, 51, 50)])

    for one in (4, 60, 5, 61):
        version = store.with_deleted(version, given.ATTEMPT, np.array([one], dtype=np.int64))

    counts = [s.deletes.count for s in version.segments if s.deletes]
    assert counts == [2, 2], "[deletes] those of before are alive again"
    assert store.open(version).ids().tolist() == sorted(set(range(1, 101)) - {4, 5, 60, 61})


def test_deleting_what_is_nowhere_or_already_dead_changes_nothing(store: IndexStore) -> None:
    version = given.manifest([given.segment(store, 10, 5)])
    version = store.with_deleted(version, given.ATTEMPT, np.array([11], dtype=np.int64))

    again = store.with_deleted(version, given.ATTEMPT, np.array([1, 11, 99], dtype=np.int64))

    assert again == version


def test_only_the_segments_concerned_get_a_new_delete_set(store: IndexStore) -> None:
    version = given.manifest([given.segment(store, 1, 5), given.segment(store, 6, 5)])

    after = store.with_deleted(version, given.ATTEMPT, np.array([7], dtype=np.int64))

    assert after.segments[0] == version.segments[0]
    assert after.segments[1] == replace(version.segments[1], deletes=after.segments[1].deletes)


def test_a_segment_with_nothing_live_is_left_out(store: IndexStore) -> None:
    version = given.manifest([given.segment(store, 1, 3), given.segment(store, 4, 2)])

    after = store.with_deleted(version, given.ATTEMPT, given.ids(1, 3))

    assert [segment.min_id for segment in after.segments] == [4]


def test_vectors_come_back_in_the_order_asked(store: IndexStore) -> None:
    version = given.manifest([given.segment(store, 1, 300), given.segment(store, 301, 3)])
    asked = np.array([302, 5, 299, 5], dtype=np.int64)

    stored = store.vectors(version, asked)

    truth = np.concatenate([given.vectors(1, seed=int(one)) for one in asked])
    assert stored.dtype == np.float32
    assert stored == pytest.approx(truth, rel=1e-3, abs=1e-6)
    assert store.vectors(version, asked[:0]).shape == (0, given.DIMENSION)


def test_a_vector_that_is_nowhere_is_damage(store: IndexStore) -> None:
    version = given.manifest([given.segment(store, 10, 5)])

    with pytest.raises(CorruptFile, match="3"):
        store.vectors(version, np.array([11, 3], dtype=np.int64))


def test_live_ids_of_segments_are_read_together(store: IndexStore) -> None:
    version = given.manifest([given.segment(store, 6, 3), given.segment(store, 1, 3)])
    version = store.with_deleted(version, given.ATTEMPT, np.array([2, 7], dtype=np.int64))

    assert store.live_ids(7, version.segments).tolist() == [1, 3, 6, 8]
    assert store.live_ids(7, ()).tolist() == []


def test_a_search_reads_the_live_space_only(store: IndexStore) -> None:
    other = given.segment(store, 100, 5, space_id=2)
    version = given.manifest([given.segment(store, 1, 5), other])

    snapshot = store.open(version)

    assert snapshot.ids().tolist() == [1, 2, 3, 4, 5]
    assert snapshot.search(given.vectors(1), 10)[1].max() == 5


def test_a_merge_holds_exactly_the_live_vectors(store: IndexStore) -> None:
    # ids interleave: the second segment began its attempt first
    low = np.array([1, 4, 6, 9], dtype=np.int64)
    high = np.array([2, 3, 7, 8], dtype=np.int64)
    segments = [
        store.write_segment(
            given.ATTEMPT,
            space_id=1,
            metric=Metric.COSINE,
            ids=some,
            vectors=np.concatenate([given.vectors(1, seed=int(one)) for one in some]),
        )
        for some in (low, high)
    ]
    before = given.manifest(segments)
    before = store.with_deleted(before, given.ATTEMPT, np.array([4, 7], dtype=np.int64))

    merged = given.merged(store, before.segments, Metric.COSINE)

    after = replace(before, version=2, segments=(merged,))
    live = np.array([1, 2, 3, 6, 8, 9], dtype=np.int64)
    assert (merged.rows, merged.live, merged.min_id, merged.max_id) == (6, 6, 1, 9)
    assert store.open(after).ids().tolist() == live.tolist()
    assert (store.vectors(after, live) == store.vectors(before, live)).all()


def test_a_merge_says_how_far_it_is_and_under_which_rule(store: IndexStore) -> None:
    heard: list[tuple[int, int]] = []
    rule = IndexRule(recall_target=0.9)

    merged = store.merge(
        given.ATTEMPT,
        [given.segment(store, 1, 3), given.segment(store, 4, 3)],
        Metric.COSINE,
        rule,
        lambda done, total: heard.append((done, total)),
    )

    assert heard[-1] == (6, 6)
    assert heard == sorted(heard)
    assert merged.layout
    assert (merged.layout.policy, merged.layout.rule) == (Policy.FLAT, rule)
    assert merged.format == given.segment(store, 7, 1).format == 2


def test_a_step_that_raises_stops_a_merge(store: IndexStore) -> None:
    class Stopped(Exception):
        pass

    def stop(_done: int, _total: int) -> None:
        raise Stopped

    with pytest.raises(Stopped):
        store.merge(given.ATTEMPT, [given.segment(store, 1, 3)], Metric.COSINE, IndexRule(), stop)


def test_nothing_live_cannot_be_merged(store: IndexStore) -> None:
    dead = store.mark_dead(given.ATTEMPT, given.segment(store, 1, 3), given.ids(1, 3))

    with pytest.raises(ValueError, match="live"):
        given.merged(store, [dead])


def test_exact_looks_at_every_vector_too(store: IndexStore) -> None:
    version = given.manifest([given.segment(store, 1, 300), given.segment(store, 301, 20)])
    snapshot = store.open(store.with_deleted(version, given.ATTEMPT, given.ids(8, 3)))
    queries = given.vectors(3, seed=77)

    scores, ids = snapshot.search(queries, 12)
    exact_scores, exact_ids = snapshot.search(queries, 12, exact=True)

    assert ids.tolist() == exact_ids.tolist()
    assert scores.tolist() == exact_scores.tolist()


def copied(store: IndexStore, segment: Segment, without: list[int]) -> Segment | None:
    return store.copy(
        given.ATTEMPT,
        segment,
        Metric.COSINE,
        without=np.array(without, dtype=np.int64),
        rule=IndexRule(),
        step=given.silent,
    )


def test_a_copy_holds_dead_vectors_too_but_not_those_left_out(store: IndexStore) -> None:
    version = given.manifest([given.segment(store, 1, 6)])
    version = store.with_deleted(version, given.ATTEMPT, given.ids(2, 2))

    copy = copied(store, version.segments[0], [99, 6, 3, 6])

    assert copy
    assert copy.id != version.segments[0].id
    assert (copy.rows, copy.live, copy.deletes) == (4, 4, None)
    assert store.all_ids(7, copy).tolist() == [1, 2, 4, 5]
    kept = np.array([1, 2, 4, 5], dtype=np.int64)
    after = given.manifest([copy])
    assert (store.vectors(after, kept) == store.vectors(version, kept)).all()


def test_a_copy_without_any_vector_is_none(store: IndexStore) -> None:
    assert copied(store, given.segment(store, 1, 3), [1, 2, 3]) is None


def test_exactly_the_ids_marked_dead_are_dead(store: IndexStore) -> None:
    version = given.manifest([given.segment(store, 1, 6)])
    version = store.with_deleted(version, given.ATTEMPT, given.ids(2, 2))
    segment = version.segments[0]

    other = store.mark_dead(given.ATTEMPT, segment, np.array([5, 1, 77], dtype=np.int64))
    none = store.mark_dead(given.ATTEMPT, segment, given.ids(1, 0))
    same = store.mark_dead(given.ATTEMPT, segment, np.array([3, 2], dtype=np.int64))
    every = store.mark_dead(given.ATTEMPT, segment, given.ids(1, 6))

    assert store.live_ids(7, [other]).tolist() == [2, 3, 4, 6]
    assert none.deletes is None
    assert same == segment
    assert (every.live, store.live_ids(7, [every]).tolist()) == (0, [])
    assert store.open(given.manifest([every])).ids().tolist() == []
    assert store.all_ids(7, every).tolist() == [1, 2, 3, 4, 5, 6]


def test_the_first_death_in_a_segment_is_remembered(store: IndexStore) -> None:
    version = given.manifest([given.segment(store, 1, 6)])
    died = [replace(given.ATTEMPT, started_at=at) for at in (30.0, 70.0)]

    for attempt, one in zip(died, (2, 3), strict=True):
        version = store.with_deleted(version, attempt, given.ids(one, 1))
    marked = store.mark_dead(died[1], given.segment(store, 7, 3), given.ids(8, 1))

    assert [one.deletes.since for one in version.segments if one.deletes] == [30.0]
    assert marked.deletes
    assert marked.deletes.since == 70.0


def test_a_segment_is_listed_again_from_its_id_and_checksum(store: IndexStore) -> None:
    one = given.segment(store, 1, 6)
    merged = given.merged(store, [one])
    dead = store.mark_dead(given.ATTEMPT, merged, given.ids(2, 2))

    assert store.segment(7, one.id, one.sha256) == one
    assert store.segment(7, dead.id, dead.sha256) == merged
    with pytest.raises(CorruptFile):
        store.segment(7, one.id, merged.sha256)
    with pytest.raises(CorruptFile):
        store.segment(7, "a1-gone", one.sha256)


def test_segments_of_two_spaces_are_never_merged(store: IndexStore) -> None:
    segments = [given.segment(store, 1, 3), given.segment(store, 4, 3, space_id=2)]

    with pytest.raises(ValueError, match="space"):
        given.merged(store, segments, Metric.COSINE)


def test_a_manifest_is_read_as_it_was_written(store: IndexStore) -> None:
    version = given.manifest([given.segment(store, 1, 5), given.segment(store, 6, 5)], version=3)
    version = store.with_deleted(version, given.ATTEMPT, np.array([2], dtype=np.int64))
    version = replace(version, parent_sha256="0" * 64)

    assert store.read_manifest(given.head(store, version)) == version


def test_a_manifest_with_another_checksum_is_refused(store: IndexStore) -> None:
    head = given.head(store, given.manifest([]))

    with pytest.raises(CorruptFile):
        store.read_manifest(replace(head, manifest_sha256="0" * 64))
    with pytest.raises(CorruptFile):
        store.read_manifest(replace(head, manifest_file="000000000001-other.json"))
    with pytest.raises(CorruptFile):
        store.read_manifest(replace(head, version=2))


def test_two_attempts_may_write_the_same_version(store: IndexStore) -> None:
    one = given.manifest([given.segment(store, 1, 2)])
    other = replace(one, attempt_id="a2", segments=(given.segment(store, 3, 2),))

    heads = given.head(store, one), given.head(store, other)

    assert [store.read_manifest(head) for head in heads] == [one, other]


@pytest.mark.parametrize(
    ("ids", "rows"),
    [
        ([2, 1], given.vectors(2)),
        ([1, 1], given.vectors(2)),
        ([1], given.vectors(2)),
        ([], given.vectors(2)[:0]),
        ([1], np.full((1, 8), np.nan, dtype=np.float32)),
        ([1], np.full((1, 8), 1e6, dtype=np.float32)),
    ],
)
def test_what_cannot_be_stored_is_refused(
    store: IndexStore, ids: list[int], rows: np.ndarray
) -> None:
    with pytest.raises(ValueError, match=r"."):
        store.write_segment(
            given.ATTEMPT,
            space_id=1,
            metric=Metric.COSINE,
            ids=np.array(ids, dtype=np.int64),
            vectors=rows,
        )


def test_a_missing_segment_is_damage(store: IndexStore) -> None:
    gone = replace(given.segment(store, 1, 5), id="a1-gone")

    with pytest.raises(CorruptFile, match="a1-gone"):
        store.open(given.manifest([gone]))


@pytest.mark.parametrize("metric", METRICS)
def test_a_search_among_some_is_brute_force_over_those(store: IndexStore, metric: Metric) -> None:
    parts = [(1, 300), (301, 3), (304, 20), (324, 700)]
    version = given.manifest([given.segment(store, *part, metric=metric) for part in parts])
    version = replace(version, metric=metric)
    dead = np.arange(3, 1024, 7, dtype=np.int64)
    version = store.with_deleted(version, given.ATTEMPT, dead)
    queries = given.vectors(3, seed=9999) * 3
    truth = scores_of(store.vectors(version, given.ids(1, 1023)), queries, metric)

    for step in (1, 2, 5, 50, 1000):
        wanted = np.arange(2, 2000, step, dtype=np.int64)
        snapshot = store.open(version).among(wanted)
        left = np.setdiff1d(wanted[wanted < 1024], dead)
        scores, ids = snapshot.search(queries, 12)

        order = np.argsort(-truth[:, left - 1] if metric.higher_is_better else truth[:, left - 1])
        assert snapshot.live == len(left)
        assert snapshot.ids().tolist() == left.tolist()
        assert ids.tolist() == left[order[:, :12]].tolist(), "[filter] not what brute force finds"
        assert scores == pytest.approx(np.take_along_axis(truth, ids - 1, axis=1), abs=1e-5)


def test_among_nothing_nothing_is_found(store: IndexStore) -> None:
    version = given.manifest([given.segment(store, 1, 300)])
    snapshot = store.open(version).among(np.array([0, 301, 900], dtype=np.int64))

    scores, ids = snapshot.search(given.vectors(2), 5)

    assert (scores.shape, ids.shape, snapshot.live) == ((2, 0), (2, 0), 0)


def test_a_snapshot_gives_live_vectors_back_and_no_others(store: IndexStore) -> None:
    version = given.manifest([given.segment(store, 1, 300), given.segment(store, 301, 20)])
    version = store.with_deleted(version, given.ATTEMPT, given.ids(5, 2))
    wanted = np.array([310, 4, 300], dtype=np.int64)

    vectors = store.open(version).vectors(wanted)

    assert vectors.tolist() == store.vectors(version, wanted).tolist()
    with pytest.raises(CorruptFile, match="6"):
        store.open(version).vectors(given.ids(6, 1))
