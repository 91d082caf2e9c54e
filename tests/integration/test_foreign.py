"""Rows of other programs come in, with vectors that can be trusted or not at all."""

import gzip
import json
import pickle
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from shared.domain import Chunking, ChunkingMode, Metric, State, Vectors
from shared.errors import ArchiveRefused, InvalidRequest
from shared.transfer.foreign import Consignment, import_rows
from shared.transfer.importing import Imported
from tests.archives import contents, dock_of, silent
from tests.fakes.encoder import FakeEncoders, HashEncoder
from tests.worlds import LIMITS, World


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with World.open(tmp_path) as opened:
        yield opened


def rows(count: int) -> list[dict[str, Any]]:
    return [
        {"id": f"r{n}", "title": f"t{n % 5}", "text": f"row {n} of many", "metadata": {"n": n}}
        for n in range(count)
    ]


def made(world: World, documents: Sequence[dict[str, Any]]) -> Vectors:
    """Return the vectors that the collection's encoder makes of these rows."""
    rule = world.collection.space.chunking
    chunked = [world.encoder.chunk(one["title"], one["text"], rule) for one in documents]
    vectors, _ = HashEncoder.encode(world.encoder, [one.passages[0] for one in chunked])
    return vectors


def write(path: Path, documents: Sequence[dict[str, Any]]) -> Path:
    content = b"".join(json.dumps(one).encode() + b"\n" for one in documents)
    path.write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)
    return path


def with_vectors(world: World, documents: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    vectors = made(world, documents)
    return [
        one | {"vector": vector.tolist()} for one, vector in zip(documents, vectors, strict=True)
    ]


def bring(
    world: World, path: Path, *, vectors: Path | None = None, matches: bool = True
) -> Imported:
    return import_rows(
        dock_of(world),
        world.bell,
        FakeEncoders(world.encoder),
        world.collections.get("c"),
        Consignment(path=path, vectors=vectors, encoder_matches=matches),
        limits=LIMITS,
        step=silent,
    )


def refused(world: World, path: Path, match: str, *, vectors: Path | None = None) -> None:
    with pytest.raises(ArchiveRefused, match=match):
        bring(world, path, vectors=vectors)
    assert world.records.jobs(limit=1) == [], "nothing was changed"


@pytest.mark.parametrize("name", ["rows.jsonl", "rows.jsonl.gz"])
def test_rows_without_vectors_are_encoded_by_workers(
    world: World, tmp_path: Path, name: str
) -> None:
    done = bring(world, write(tmp_path / name, rows(1200)), matches=False)

    assert done.counts == {State.PENDING: 1200}
    assert world.bell.rung == 3
    world.index_all()
    assert len(world.live_documents()) == 1200


@pytest.mark.parametrize("where", ["inside", "beside"])
def test_rows_with_vectors_are_found_without_encoding_them(
    world: World, tmp_path: Path, where: str
) -> None:
    documents, beside = rows(1200), None
    if where == "beside":
        path = write(tmp_path / "rows.jsonl", documents)
        beside = tmp_path / "rows.npy"
        np.save(beside, made(world, documents).astype(np.float64))
        done = bring(world, path, vectors=beside)
    else:
        done = bring(world, write(tmp_path / "rows.jsonl", with_vectors(world, documents)))

    assert done.counts == {State.INDEXED: 1200}
    assert world.encoder.encoded == 8, "only the sample"
    assert world.found("row 77 of many")[0] == "r77"
    again = bring(world, tmp_path / "rows.jsonl", vectors=beside)
    assert again.counts == done.counts
    assert world.head().version == 3, "the same file again changes nothing"


def test_what_comes_in_is_what_encoding_here_would_give(world: World, tmp_path: Path) -> None:
    bring(world, write(tmp_path / "rows.jsonl", with_vectors(world, rows(30))))
    brought = contents(world, "c")
    for one in rows(30):
        world.add(one | {"id": f"own-{one['id']}"})
    world.index_all()
    own = {one.id: (one, vector) for one, vector in contents(world, "c")}

    for document, vectors in brought:
        twin, encoded = own[f"own-{document.id}"]
        assert document.chunks == twin.chunks
        assert np.array_equal(vectors, encoded)


def test_ids_that_exist_are_replaced(world: World, tmp_path: Path) -> None:
    world.add({"id": "r1", "text": "old"}, {"id": "mine", "text": "stays"})
    world.index_all()
    documents = rows(3)

    bring(world, write(tmp_path / "rows.jsonl", with_vectors(world, [*documents, documents[1]])))

    assert world.live_documents() == {"mine": 1, "r0": 1, "r1": 1, "r2": 1}


def test_vectors_need_the_users_word(world: World, tmp_path: Path) -> None:
    path = write(tmp_path / "rows.jsonl", with_vectors(world, rows(3)))
    with pytest.raises(InvalidRequest, match="--encoder-matches"):
        bring(world, path, matches=False)
    assert world.records.jobs(limit=1) == []


@pytest.mark.parametrize(
    "spoil",
    [
        lambda vectors: np.roll(vectors, 1, axis=0),
        lambda vectors: np.roll(vectors, 1, axis=1),
        lambda vectors: -vectors,
        lambda vectors: vectors * 0,
        lambda vectors: vectors + np.random.default_rng(1).normal(0, 0.05, vectors.shape),
    ],
    ids=["other rows", "other axes", "negated", "zero", "noise"],
)
def test_vectors_of_another_model_are_found_out(world: World, tmp_path: Path, spoil: Any) -> None:
    documents = rows(40)
    path = write(tmp_path / "rows.jsonl", documents)
    np.save(tmp_path / "rows.npy", spoil(made(world, documents)))

    refused(world, path, "is not what lamina/hash makes", vectors=tmp_path / "rows.npy")


def test_longer_vectors_of_the_same_direction_pass_for_cosine(world: World, tmp_path: Path) -> None:
    documents = rows(40)
    path = write(tmp_path / "rows.jsonl", documents)
    np.save(tmp_path / "rows.npy", made(world, documents) * 7)
    bring(world, path, vectors=tmp_path / "rows.npy")

    assert world.collection.space.metric is Metric.COSINE
    assert np.linalg.norm(world.vectors(), axis=1) == pytest.approx(1, abs=1e-3)


def test_a_text_of_several_passages_cannot_have_one_vector(world: World, tmp_path: Path) -> None:
    long = {"id": "long", "title": "", "text": " ".join(f"w{n}" for n in range(100))}
    documents = [*with_vectors(world, rows(3)), long | {"vector": [0.5] * 32}]
    refused(world, write(tmp_path / "rows.jsonl", documents), "jsonl:4: .*one passage")


def test_a_text_that_would_be_cut_cannot_have_a_vector_either(tmp_path: Path) -> None:
    rule = Chunking(mode=ChunkingMode.NONE, overlap_tokens=0)
    with World.open(tmp_path, chunking=rule) as world:
        long = {"id": "long", "title": "", "text": " ".join(f"w{n}" for n in range(100))}
        path = write(tmp_path / "rows.jsonl", [long | {"vector": [0.5] * 32}])
        refused(world, path, "one passage")


WRONG: dict[str, tuple[bytes, str]] = {
    "not JSON": (b"{]\n", ":1: not a JSON object"),
    "a list": (b"[1]\n", ":1: not a JSON object"),
    "not UTF-8": (b'{"id": "\xff"}\n', "not a JSON object"),
    "a name twice": (b'{"id": "a", "id": "b", "text": "x"}\n', "twice"),
    "NaN": (b'{"id": "a", "text": "x", "metadata": {"n": NaN}}\n', "NaN"),
    "nested too deeply": (b'{"id": ' + b"[" * 100_000 + b"\n", "nested|JSON"),
    "no id": (b'{"text": "x"}\n', "needs an `id`"),
    "no text": (b'{"id": "a"}\n', "needs a `text`"),
    "a misspelt field": (b'{"id": "a", "txet": "x"}\n', "txet"),
    "nothing": (b"", "no rows"),
    "a vector of words": (b'{"id": "a", "text": "x", "vector": ["a"]}\n', "list of numbers"),
    "a ragged vector": (b'{"id": "a", "text": "x", "vector": [[1], [1, 2]]}\n', "list of numbers"),
    "another dimension": (b'{"id": "a", "text": "x", "vector": [1, 2]}\n', "32 dimensions"),
    "an infinite vector": (
        b'{"id": "a", "text": "x", "vector": [' + b"1e999," * 31 + b"1]}\n",
        "not finite",
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_wrong_rows_are_refused_with_their_line(world: World, tmp_path: Path, name: str) -> None:
    content, match = WRONG[name]
    (tmp_path / "rows.jsonl").write_bytes(content)
    refused(world, tmp_path / "rows.jsonl", match)


def test_one_wrong_row_at_the_end_keeps_all_out(world: World, tmp_path: Path) -> None:
    documents = [*with_vectors(world, rows(700)), {"id": "bare", "text": "no vector"}]
    refused(world, write(tmp_path / "rows.jsonl", documents), "jsonl:701: some rows have a vector")


def test_arrays_that_do_not_fit_are_refused(world: World, tmp_path: Path) -> None:
    documents = rows(4)
    path, beside = write(tmp_path / "rows.jsonl", documents), tmp_path / "rows.npy"
    good = made(world, documents)
    np.save(beside, good[:3])
    refused(world, path, "only 3 rows", vectors=beside)
    np.save(beside, np.concatenate([good, good]))
    refused(world, path, "8 rows", vectors=beside)
    np.save(beside, good[:, :31])
    refused(world, path, r"not \(rows, 32\)", vectors=beside)
    np.save(beside, (good * 100).astype(int))
    refused(world, path, "not floats", vectors=beside)
    np.save(beside, good.astype(object), allow_pickle=True)
    refused(world, path, "Python objects", vectors=beside)
    np.save(beside, np.asfortranarray(good))
    refused(world, path, "C order", vectors=beside)
    np.save(beside, good)
    beside.write_bytes(beside.read_bytes()[:-5])
    refused(world, path, "bytes for", vectors=beside)
    beside.write_bytes(pickle.dumps(good))
    refused(world, path, "not a .npy", vectors=beside)
    refused(world, path, "No such file", vectors=tmp_path / "none.npy")


@pytest.mark.parametrize(
    ("name", "match"),
    [
        ("index.faiss", "FAISS index"),
        ("rows.pkl", "pickle"),
        ("rows.npz", "without texts"),
        ("rows.npy", "--vectors"),
        ("rows.csv", "only .tar"),
        ("none.jsonl", "No such file"),
    ],
)
def test_other_kinds_of_files_are_refused_unread(
    world: World, tmp_path: Path, name: str, match: str
) -> None:
    if name != "none.jsonl":
        (tmp_path / name).write_bytes(b"x")
    refused(world, tmp_path / name, match)


# --- Parquet --------------------------------------------------------------------------------------


def test_parquet_comes_in_like_json_lines(world: World, tmp_path: Path) -> None:
    pa = pytest.importorskip("pyarrow", reason="pyarrow is an optional extra")
    pq = pytest.importorskip("pyarrow.parquet")
    documents = with_vectors(world, rows(1500))
    kind = pa.list_(pa.float32())
    table = pa.table(
        {
            "id": [one["id"] for one in documents],
            "text": [one["text"] for one in documents],
            "title": [one["title"] for one in documents],
            "metadata": [json.dumps(one["metadata"]) for one in documents],
            "vector": pa.array([one["vector"] for one in documents], type=kind),
        }
    )
    pq.write_table(table, tmp_path / "rows.parquet")

    done = bring(world, tmp_path / "rows.parquet")

    assert done.counts == {State.INDEXED: 1500}
    assert dict(world.hits("row 77 of many")[0].metadata) == {"n": 77}


def test_parquet_that_is_none_or_has_other_columns_is_refused(world: World, tmp_path: Path) -> None:
    pa = pytest.importorskip("pyarrow", reason="pyarrow is an optional extra")
    pq = pytest.importorskip("pyarrow.parquet")
    (tmp_path / "rows.parquet").write_bytes(b"PAR1 nothing else PAR1")
    refused(world, tmp_path / "rows.parquet", "rows.parquet: ")
    pq.write_table(pa.table({"id": ["a"], "body": ["x"]}), tmp_path / "rows.parquet")
    refused(world, tmp_path / "rows.parquet", "unknown columns body")
