"""Layouts that look at some of the vectors: good enough, exact in scores, never short of hits."""

import gc
import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import faiss
import numpy as np
import pytest
from hypothesis import given as over
from hypothesis import settings
from hypothesis import strategies as st

from shared.domain import Ids, IndexRule, Layout, Manifest, Metric, Policy, Segment, Vectors
from shared.errors import CorruptFile
from shared.index import FolderIndexStore, LocalFiles, codec, layers, segments
from shared.ports import Snapshot
from shared.settings import MergeSettings
from tests.fakes.index import scores_of
from tests.unit.index import given

ROWS, DIMENSION = 8000, 48
SETTINGS = MergeSettings(floor=256, ann_from=1000, threads=1)
LAID_OUT = [Policy.HNSW, Policy.IVF, Policy.IVFPQ, Policy.SQ8]
QUERIES = given.clustered(200, DIMENSION, draw=99)


@dataclass(frozen=True)
class Laid:
    """One segment of clustered vectors, laid out once for all tests of its policy."""

    root: Path
    store: FolderIndexStore
    segment: Segment
    version: Manifest

    @property
    def layout(self) -> Layout:
        assert self.segment.layout
        return self.segment.layout

    def without(self, dead: Ids) -> Snapshot:
        return self.store.open(self.store.with_deleted(self.version, given.ATTEMPT, dead))


def written(store: FolderIndexStore, vectors: Vectors, metric: Metric) -> list[Segment]:
    ids = given.ids(1, len(vectors))
    return [
        store.write_segment(
            given.ATTEMPT, space_id=1, metric=metric, ids=ids[part], vectors=vectors[part]
        )
        for part in np.array_split(np.arange(len(vectors)), 3)
    ]


def lay_out(
    root: Path,
    rule: IndexRule,
    vectors: Vectors,
    metric: Metric = Metric.COSINE,
    merge: MergeSettings = SETTINGS,
) -> Laid:
    store = FolderIndexStore(root, merge=merge)
    segment = given.merged(store, written(store, vectors, metric), metric, rule)
    version = given.manifest([segment], metric=metric, dimension=vectors.shape[1])
    return Laid(root, store, segment, version)


@pytest.fixture(scope="module", params=LAID_OUT)
def laid(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Laid:
    root = tmp_path_factory.mktemp(str(request.param))
    vectors = given.clustered(ROWS, DIMENSION)
    return lay_out(root, IndexRule(policy=request.param), vectors)


def recall(found: Ids, truth: Ids) -> float:
    rows = zip(found.tolist(), truth.tolist(), strict=True)
    return sum(len(set(one) & set(other)) for one, other in rows) / truth.size


def test_the_target_is_reached_on_queries_that_were_never_seen(laid: Laid) -> None:
    snapshot = laid.store.open(laid.version)

    found = recall(snapshot.search(QUERIES, 10)[1], snapshot.search(QUERIES, 10, exact=True)[1])

    assert found >= 0.95
    assert laid.layout.recall is not None
    assert abs(found - laid.layout.recall) < 0.04, "what was measured is what is found"
    assert laid.layout.refused == ()


def test_effort_is_the_least_that_is_enough(laid: Laid) -> None:
    (k, effort), *_ = laid.layout.effort

    assert k == 10
    assert effort < {Policy.HNSW: 200, Policy.SQ8: 2}.get(laid.layout.policy, 60)


def test_what_is_found_is_scored_as_a_flat_scan_scores_it_to_the_last_bit(laid: Laid) -> None:
    snapshot = laid.store.open(laid.version)
    scores, ids = snapshot.search(QUERIES, 20)
    every, every_id = snapshot.search(QUERIES, ROWS, exact=True)

    for row in range(len(QUERIES)):
        exact = dict(zip(every_id[row].tolist(), every[row].tolist(), strict=True))
        assert [exact[one] for one in ids[row].tolist()] == scores[row].tolist()
    assert (scores[:, 1:] <= scores[:, :-1]).all()


def test_exact_is_what_numpy_finds(laid: Laid) -> None:
    stored = laid.store.vectors(laid.version, given.ids(1, ROWS))
    truth = -np.sort(-scores_of(stored, QUERIES[:20], Metric.COSINE), axis=1)[:, :15]

    scores, ids = laid.store.open(laid.version).search(QUERIES[:20], 15, exact=True)

    assert scores == pytest.approx(truth, abs=1e-6)
    flat = given.manifest(written(laid.store, stored, Metric.COSINE), dimension=DIMENSION)
    same_scores, same_ids = laid.store.open(flat).search(QUERIES[:20], 15)
    assert (ids == same_ids).all()
    assert (scores == same_scores).all()


@pytest.mark.parametrize("share", [0.01, pytest.param(0.2, marks=pytest.mark.slow), 0.5, 0.98])
def test_deletes_never_cost_a_hit(laid: Laid, share: float) -> None:
    random = np.random.default_rng(int(share * 100))
    dead = np.sort(random.choice(ROWS, int(share * ROWS), replace=False)).astype(np.int64) + 1
    snapshot = laid.without(dead)

    for k in (1, 10, 100):
        ids = snapshot.search(QUERIES, k)[1]
        assert ids.shape == (len(QUERIES), k)
        assert not np.isin(ids, dead).any(), "[deletes] dead vectors are found"
    truth = snapshot.search(QUERIES, 10, exact=True)[1]
    assert recall(snapshot.search(QUERIES, 10)[1], truth) >= 0.93


def test_deletes_around_a_query_make_it_look_further(laid: Laid) -> None:
    query = QUERIES[:1]
    nearest = laid.store.open(laid.version).search(query, 1500, exact=True)[1][0]
    snapshot = laid.without(np.sort(nearest))

    ids = snapshot.search(query, 10)[1]

    assert ids.shape == (1, 10)
    assert not np.isin(ids, nearest).any()


@pytest.mark.parametrize("k", [1, 9, 10, 50, 100, 101, 999, 1000, ROWS - 1, ROWS, 2 * ROWS])
def test_any_number_of_hits_can_be_asked_for(laid: Laid, k: int) -> None:
    scores, ids = laid.store.open(laid.version).search(QUERIES[:3], k)

    assert scores.shape == ids.shape == (3, min(k, ROWS))
    assert all(len(set(row)) == len(row) for row in ids.tolist())
    assert (scores[:, 1:] <= scores[:, :-1]).all()
    assert ids.min() >= 1


def test_it_is_searched_together_with_flat_segments(laid: Laid) -> None:
    extra = given.clustered(300, DIMENSION, draw=7)
    added = laid.store.write_segment(
        given.ATTEMPT,
        space_id=1,
        metric=Metric.COSINE,
        ids=given.ids(ROWS + 1, 300),
        vectors=extra,
    )
    snapshot = laid.store.open(given.manifest([laid.segment, added], dimension=DIMENSION))

    assert snapshot.search(extra, 1)[1][:, 0].tolist() == given.ids(ROWS + 1, 300).tolist()
    truth = snapshot.search(QUERIES, 10, exact=True)[1]
    assert recall(snapshot.search(QUERIES, 10)[1], truth) >= 0.95


def test_an_open_snapshot_needs_no_file_any_more(laid: Laid, tmp_path: Path) -> None:
    root = tmp_path / "copy"
    shutil.copytree(laid.root, root)
    store = FolderIndexStore(root, merge=SETTINGS)
    snapshot = store.open(laid.version)
    before = snapshot.search(QUERIES, 10), snapshot.search(QUERIES, 10, exact=True)

    del store
    shutil.rmtree(root)
    gc.collect()

    after = snapshot.search(QUERIES, 10), snapshot.search(QUERIES, 10, exact=True)
    for one, other in zip(before, after, strict=True):
        assert [each.tolist() for each in one] == [each.tolist() for each in other]


@pytest.mark.slow
def test_the_same_vectors_are_laid_out_to_the_same_bytes(laid: Laid, tmp_path: Path) -> None:
    again = lay_out(tmp_path, laid.layout.rule, given.clustered(ROWS, DIMENSION))

    def content(of: Laid) -> bytes:
        return (of.root / "7" / "segments" / of.segment.id / "ann.faiss").read_bytes()

    assert again.layout == laid.layout
    assert content(again) == content(laid)


def test_a_graph_does_not_hold_the_vectors_again(laid: Laid) -> None:
    folder = laid.root / "7" / "segments" / laid.segment.id
    size = {path.name: path.stat().st_size for path in folder.iterdir()}

    most = {Policy.HNSW: 300, Policy.SQ8: DIMENSION + 1, Policy.IVFPQ: 40, Policy.IVF: 140}
    assert size["ann.faiss"] / ROWS < most[laid.layout.policy]
    assert laid.segment.bytes == sum(size.values())


def test_it_comes_back_from_a_manifest_as_it_was_written(laid: Laid) -> None:
    assert laid.store.read_manifest(given.head(laid.store, laid.version)) == laid.version


@pytest.mark.parametrize("change", ["flipped", "cut", "emptied", "removed"])
def test_damage_is_found_when_it_is_opened(laid: Laid, tmp_path: Path, change: str) -> None:
    root = tmp_path / "copy"
    shutil.copytree(laid.root, root)
    damaged = root / "7" / "segments" / laid.segment.id / "ann.faiss"
    content = damaged.read_bytes()
    if change == "removed":
        damaged.unlink()
    elif change == "flipped":
        given.flip(damaged, len(content) // 2)
    else:
        damaged.write_bytes(b"" if change == "emptied" else content[: len(content) // 2])

    with pytest.raises(CorruptFile, match=r"ann\.faiss"):
        FolderIndexStore(root).open(laid.version)


@over(
    seed=st.integers(0, 2**32 - 1),
    share=st.floats(0, 1),
    k=st.integers(1, 300),
)
@settings(max_examples=60, deadline=None)
def test_hits_are_live_distinct_and_as_many_as_there_can_be(
    mixed: Laid, seed: int, share: float, k: int
) -> None:
    random = np.random.default_rng(seed)
    ids = mixed.store.all_ids(7, mixed.segment)
    dead = ids[random.random(len(ids)) < share]
    version = mixed.store.with_deleted(mixed.version, given.ATTEMPT, dead)
    snapshot = mixed.store.open(version)
    live = np.setdiff1d(ids, dead)

    scores, found = snapshot.search(QUERIES[:2], k)

    assert found.shape == (2, min(k, len(live)))
    assert np.isin(found, live).all()
    assert all(len(set(row)) == len(row) for row in found.tolist())
    assert (scores[:, 1:] <= scores[:, :-1]).all()


@pytest.fixture(scope="module", params=[Policy.HNSW, Policy.IVFPQ])
def mixed(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Laid:
    """A smaller one, with many duplicates."""
    vectors = given.clustered(3000, DIMENSION)
    vectors[1500:] = vectors[np.random.default_rng(3).integers(0, 200, 1500)]
    root = tmp_path_factory.mktemp("mixed")
    return lay_out(root, IndexRule(policy=request.param), vectors)


def test_which_of_several_equals_is_found_is_no_error(mixed: Laid) -> None:
    assert mixed.layout.policy is mixed.layout.rule.policy, "not refused for its duplicates"


@pytest.mark.parametrize(
    "metric", [Metric.L2, pytest.param(Metric.INNER_PRODUCT, marks=pytest.mark.slow)]
)
@pytest.mark.parametrize("policy", LAID_OUT)
def test_other_metrics_are_as_good_and_as_exact(
    tmp_path: Path, policy: Policy, metric: Metric
) -> None:
    lengths = np.random.default_rng(5).uniform(0.8, 1.2, (3000, 1)).astype(np.float32)
    laid = lay_out(tmp_path, IndexRule(policy=policy), given.clustered(3000, 32) * lengths, metric)
    snapshot = laid.store.open(laid.version)
    queries = given.clustered(100, 32, draw=99)

    scores, ids = snapshot.search(queries, 10)
    exact_scores, exact_ids = snapshot.search(queries, 10, exact=True)

    assert laid.layout.policy is policy
    assert recall(ids, exact_ids) >= 0.95
    same = ids == exact_ids
    assert (scores[same] == exact_scores[same]).all()
    stored = laid.store.vectors(laid.version, given.ids(1, 3000))
    truth = scores_of(stored, queries, metric)
    assert scores == pytest.approx(np.take_along_axis(truth, ids - 1, axis=1), abs=1e-5)


# --- choosing ---------------------------------------------------------------------------------


def test_what_misses_the_target_is_not_written_and_flat_is_right(tmp_path: Path) -> None:
    # independent in every dimension: nothing to go by
    hostile = given.vectors(4000, dimension=64)
    laid = lay_out(tmp_path, IndexRule(policy=Policy.IVF, recall_target=0.999), hostile)

    assert laid.layout.policy is Policy.FLAT, "[recall] less than the target was written"
    assert laid.layout.recall is None
    (refused,) = laid.layout.refused
    assert refused.startswith("ivf 0.")
    assert 0.5 < float(refused.split()[1]) < 0.999
    assert not list(tmp_path.rglob("ann.faiss"))
    queries = given.vectors(5, seed=8, dimension=64)
    snapshot = laid.store.open(laid.version)
    assert (snapshot.search(queries, 9)[1] == snapshot.search(queries, 9, exact=True)[1]).all()


def test_auto_goes_on_to_what_reaches_the_target(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shared.index.tuning._EF", (1, 1))
    laid = lay_out(tmp_path, IndexRule(), given.clustered(3000, 64))

    assert laid.layout.policy is Policy.IVF
    assert [one.split()[0] for one in laid.layout.refused] == ["hnsw"]


def test_auto_keeps_within_the_memory_limit(tmp_path: Path) -> None:
    rule = IndexRule(memory_limit_bytes=3000 * 48)

    laid = lay_out(tmp_path, rule, given.clustered(3000, DIMENSION))

    assert laid.layout.policy is Policy.IVFPQ
    assert laid.layout.memory_bytes <= 3000 * 48
    assert laid.layout.rule == rule


def test_small_segments_stay_flat_and_say_under_which_rule(tmp_path: Path) -> None:
    laid = lay_out(tmp_path, IndexRule(recall_target=0.9), given.clustered(999, DIMENSION))

    assert laid.layout.policy is Policy.FLAT
    assert laid.layout.rule == IndexRule(recall_target=0.9)
    assert laid.layout.refused == ()


@pytest.mark.parametrize("policy", LAID_OUT)
@pytest.mark.parametrize("dimension", [1, 13])
@pytest.mark.parametrize("distinct", [1, 40])
def test_few_vectors_of_odd_sizes_and_many_equals_are_never_short_of_hits(
    tmp_path: Path, policy: Policy, dimension: int, distinct: int
) -> None:
    pool = np.random.default_rng(2).standard_normal((distinct, dimension)).astype(np.float32)
    vectors = pool[np.arange(300) % distinct]
    laid = lay_out(tmp_path, IndexRule(policy=policy), vectors, Metric.L2)
    snapshot = laid.without(given.ids(100, 90))

    scores, ids = snapshot.search(pool[:1], 20)
    best, _ = snapshot.search(pool[:1], 20, exact=True)

    assert laid.layout.policy in (policy, Policy.FLAT)
    assert len(set(ids[0].tolist())) == 20
    assert not ((ids >= 100) & (ids < 190)).any()
    assert scores[0, 0] == best[0, 0]


# --- long work --------------------------------------------------------------------------------


class Stopped(Exception):
    """The work shall stop."""


@pytest.mark.parametrize("share", [0.0, 0.3, 0.7, 0.99])
def test_work_that_is_stopped_leaves_nothing(tmp_path: Path, share: float) -> None:
    store = FolderIndexStore(tmp_path, merge=SETTINGS)
    segments = written(store, given.clustered(3000, 32), Metric.COSINE)
    before = store.entries(7)

    def stop(done: int, total: int) -> None:
        if done >= share * total:
            raise Stopped

    with pytest.raises(Stopped):
        store.merge(given.ATTEMPT, segments, Metric.COSINE, IndexRule(policy=Policy.HNSW), stop)

    assert store.entries(7) == before


@pytest.mark.slow
def test_progress_rises_to_its_end(tmp_path: Path) -> None:
    store = FolderIndexStore(tmp_path, merge=SETTINGS)
    segments = written(store, given.clustered(3000, 32), Metric.COSINE)
    heard: list[tuple[int, int]] = []

    def listen(done: int, total: int) -> None:
        heard.append((done, total))

    store.merge(given.ATTEMPT, segments, Metric.COSINE, IndexRule(policy=Policy.IVFPQ), listen)

    done = [one for one, _ in heard]
    assert done == sorted(done)
    assert all(one <= total for one, total in heard)
    assert heard[-1] == (9000, 9000)
    assert len(heard) > 20, "training and tuning are heard of too"


def test_threads_are_given_back(tmp_path: Path) -> None:
    before = faiss.omp_get_max_threads()
    merge = SETTINGS.model_copy(update={"threads": before + 1})

    lay_out(tmp_path, IndexRule(policy=Policy.IVF), given.clustered(1000, 16), merge=merge)

    assert faiss.omp_get_max_threads() == before


# --- what is damaged with the right checksums -------------------------------------------------


@pytest.mark.parametrize(
    ("other", "complaint"),
    [
        (lambda: faiss.index_factory(DIMENSION, "SQ8"), "IndexScalarQuantizer, not an IndexHNSW"),
        (lambda: faiss.index_factory(DIMENSION, "HNSW32,SQfp16"), "index of 3000 x 48"),
    ],
)
def test_an_index_of_another_kind_or_size_is_refused(
    tmp_path: Path, other: Callable[[], Any], complaint: str
) -> None:
    files = LocalFiles(tmp_path)
    vectors = given.clustered(3000, DIMENSION)
    sound = segments.from_vectors(1, Metric.COSINE, given.ids(1, 3000), vectors)
    layout = Layout(
        policy=Policy.HNSW, rule=IndexRule(), spec="HNSW32,SQfp16", effort=((10, 16),), recall=1.0
    )
    forged = replace(sound, layout=layout, fill_ann=lambda sink: codec.write_index(other(), sink))
    segment = segments.write(files, given.ATTEMPT, forged)

    with pytest.raises(CorruptFile, match=complaint):
        FolderIndexStore(tmp_path).open(given.manifest([segment], dimension=DIMENSION))


def test_a_manifest_whose_layout_is_not_the_cards_is_refused(mixed: Laid) -> None:
    other = replace(mixed.segment, layout=replace(mixed.layout, depth=mixed.layout.depth + 1))

    with pytest.raises(CorruptFile, match="layout is"):
        mixed.store.open(replace(mixed.version, segments=(other,)))


@pytest.mark.parametrize("share", [0.1, 0.3, 0.6, 0.95])
@pytest.mark.parametrize("far", [False, True])
def test_a_filter_never_costs_recall(
    laid: Laid, share: float, *, far: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not even where all that it lets through lies far from the queries."""
    monkeypatch.setattr(layers, "FEW", 0)  # else so few would be copied and scanned
    snapshot = laid.store.open(laid.version)
    ids = snapshot.ids()
    vectors = snapshot.vectors(ids)
    queries = vectors[:20]
    near = vectors @ queries.mean(axis=0)
    order = np.argsort(near) if far else np.random.default_rng(1).permutation(len(ids))
    chosen = np.sort(ids[order[: int(share * len(ids))]])

    narrowed = snapshot.among(chosen)
    scores, found = narrowed.search(queries, 10)
    exact, truth = narrowed.search(queries, 10, exact=True)

    assert np.isin(found, chosen).all(), "[filter] what does not match is found"
    assert recall(found, truth) >= 0.9
    assert [len(set(one)) for one in found.tolist()] == [10] * 20
    there = found == truth
    assert scores[there].tolist() == exact[there].tolist()
