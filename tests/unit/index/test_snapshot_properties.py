"""How vectors are cut into segments, and deleted, never changes the answer."""

from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from hypothesis import given as over
from hypothesis import settings
from hypothesis import strategies as st

from shared.domain import Ids, Manifest, Metric, Vectors
from shared.index import FolderIndexStore, codec
from tests.fakes.index import scores_of
from tests.unit.index import given

NEAR = 1e-6


@dataclass(frozen=True)
class Case:
    vectors: Vectors
    cuts: tuple[int, ...]
    dead: Ids
    metric: Metric
    queries: Vectors
    k: int


@st.composite
def cases(draw: st.DrawFn) -> Case:
    rows = draw(st.integers(1, 700))
    seed = draw(st.integers(0, 2**32 - 1))
    random = np.random.default_rng(seed)
    # few distinct vectors make ties, also across segments and where k cuts
    distinct = draw(st.sampled_from([rows, max(1, rows // 20), 1]))
    scale = draw(st.sampled_from([0.01, 1.0, 30.0]))
    pool = random.standard_normal((distinct, 5)).astype(np.float32) * np.float32(scale)
    metric = draw(st.sampled_from(list(Metric)))
    if metric is Metric.COSINE:
        pool /= np.linalg.norm(pool, axis=1, keepdims=True)
    cuts = draw(st.lists(st.integers(1, rows), max_size=8, unique=True))
    dead = draw(st.sampled_from([0.0, 0.02, 0.5, 0.97, 1.0]))
    return Case(
        vectors=pool[random.integers(0, distinct, rows)],
        cuts=tuple(sorted(cut for cut in cuts if cut < rows)),
        dead=np.flatnonzero(random.random(rows) < dead).astype(np.int64) + 1,
        metric=metric,
        queries=random.standard_normal((draw(st.integers(1, 3)), 5)).astype(np.float32),
        k=draw(st.integers(1, 40)),
    )


def published(store: FolderIndexStore, case: Case) -> Manifest:
    ids = given.ids(1, len(case.vectors))
    parts = np.split(np.arange(len(ids)), case.cuts)
    segments = [
        store.write_segment(
            given.ATTEMPT,
            space_id=1,
            metric=case.metric,
            ids=ids[part],
            vectors=case.vectors[part],
        )
        for part in parts
    ]
    version = given.manifest(segments, metric=case.metric, dimension=5)
    half = len(case.dead) // 2
    version = store.with_deleted(version, given.ATTEMPT, case.dead[:half])
    return store.with_deleted(version, given.ATTEMPT, case.dead[half:])


@over(cases())
@settings(max_examples=120, deadline=None)
def test_how_vectors_are_cut_and_deleted_never_changes_the_answer(case: Case) -> None:
    stored = codec.decode(codec.encode(case.vectors))
    live = np.setdiff1d(given.ids(1, len(stored)), case.dead)
    truth = scores_of(stored[live - 1], case.queries, case.metric)
    worst_first = truth if case.metric.higher_is_better else -truth
    tolerance = 1e-5 * max(1.0, float(np.abs(truth).max(initial=0)))

    with TemporaryDirectory() as folder:
        store = FolderIndexStore(Path(folder))
        version = published(store, case)
        snapshot = store.open(version)
        scores, ids = snapshot.search(case.queries, case.k)

        assert snapshot.ids().tolist() == live.tolist()
        assert (store.vectors(version, live[::-1]) == stored[live[::-1] - 1]).all()

    wanted = min(case.k, len(live))
    assert scores.shape == ids.shape == (len(case.queries), wanted)
    if not wanted:
        return
    found = np.take_along_axis(truth, np.searchsorted(live, ids), axis=1)
    assert np.abs(scores - found).max() <= tolerance
    best = -np.sort(-worst_first, axis=1)[:, :wanted]
    assert np.abs(best - (found if case.metric.higher_is_better else -found)).max() <= tolerance
    assert all(len(set(row)) == wanted for row in ids.tolist())
    for row_scores, row_ids in zip(scores, ids, strict=True):
        tied = row_scores[1:] == row_scores[:-1]
        assert (row_ids[1:] > row_ids[:-1])[tied].all()


@over(cases())
@settings(max_examples=60, deadline=None)
def test_one_segment_or_many_give_the_same_ids_and_the_same_bits(case: Case) -> None:
    with TemporaryDirectory() as folder:
        store = FolderIndexStore(Path(folder))
        many = published(store, case)
        if not many.live:
            return
        merged = given.merged(store, many.segments, case.metric)
        one = given.manifest([merged], metric=case.metric, dimension=5)

        scores, ids = store.open(many).search(case.queries, case.k)
        its_scores, its_ids = store.open(one).search(case.queries, case.k)

    assert ids.tolist() == its_ids.tolist()
    assert scores.tobytes() == its_scores.tobytes()
