"""Our flat files are FAISS's, byte for byte, and merging never changes a code."""

from pathlib import Path

import faiss
import numpy as np
import pytest

from shared.domain import Metric
from shared.index import FolderIndexStore, codec
from shared.index.disk import Disk
from shared.index.drafts import Sink
from tests.unit.index import given


@pytest.mark.parametrize("metric", list(Metric))
@pytest.mark.parametrize(("rows", "dimension"), [(1, 1), (3, 7), (1000, 384)])
def test_a_file_written_from_codes_is_the_file_that_faiss_writes(
    tmp_path: Path, metric: Metric, rows: int, dimension: int
) -> None:
    vectors = given.vectors(rows, dimension=dimension)
    index = codec.new_index(dimension, metric)
    index.add(vectors)
    theirs, ours = (Sink(Disk(), tmp_path / name) for name in ("theirs", "ours"))

    codec.write_index(index, theirs)
    chunks = np.array_split(codec.encode(vectors), min(rows, 7))
    codec.write_codes(ours, metric, rows=rows, dimension=dimension, chunks=chunks)

    assert (tmp_path / "ours").read_bytes() == (tmp_path / "theirs").read_bytes()
    assert ours.stamp == theirs.stamp
    for sink in (ours, theirs):
        sink.close()


def test_vectors_read_back_are_what_faiss_rounds_them_to(tmp_path: Path) -> None:
    store = FolderIndexStore(tmp_path)
    vectors = np.random.default_rng(3).standard_normal((500, 32)).astype(np.float32)
    vectors *= np.float32(10) ** np.arange(-9, 4, dtype=np.float32).repeat(3)[:32]
    reference = faiss.index_factory(32, codec.SPEC, faiss.METRIC_INNER_PRODUCT)
    reference.add(vectors)
    ids = given.ids(1, 500)

    segment = store.write_segment(
        given.ATTEMPT, space_id=1, metric=Metric.INNER_PRODUCT, ids=ids, vectors=vectors
    )
    version = given.manifest([segment], metric=Metric.INNER_PRODUCT, dimension=32)

    rounded = reference.reconstruct_n(0, 500)
    assert store.vectors(version, ids).tobytes() == rounded.tobytes()
    assert not (rounded == vectors).all()


def test_merging_a_merge_of_a_merge_keeps_every_code(tmp_path: Path) -> None:
    store = FolderIndexStore(tmp_path)
    first = given.manifest([given.segment(store, 1 + 9 * n, 9) for n in range(30)])
    before = store.vectors(first, given.ids(1, 270))

    halves = [
        given.merged(store, part, Metric.COSINE)
        for part in (first.segments[:13], first.segments[13:])
    ]
    whole = given.merged(store, halves[::-1], Metric.COSINE)

    after = store.vectors(given.manifest([whole]), given.ids(1, 270))
    assert after.tobytes() == before.tobytes()


def test_more_rows_than_a_merge_holds_in_memory_come_out_in_order(tmp_path: Path) -> None:
    store = FolderIndexStore(tmp_path)
    every = given.vectors(10_000, dimension=4)
    ids = given.ids(1, 10_000)
    segments = [
        store.write_segment(
            given.ATTEMPT,
            space_id=1,
            metric=Metric.L2,
            ids=ids[start::3],
            vectors=every[start::3],
        )
        for start in range(3)
    ]
    version = given.manifest(segments, metric=Metric.L2, dimension=4)
    version = store.with_deleted(version, given.ATTEMPT, ids[100:200])

    merged = given.merged(store, version.segments, Metric.L2)

    live = np.setdiff1d(ids, ids[100:200])
    after = given.manifest([merged], metric=Metric.L2, dimension=4)
    assert (store.vectors(after, live) == codec.decode(codec.encode(every))[live - 1]).all()
    assert store.open(after).ids().tolist() == live.tolist()
