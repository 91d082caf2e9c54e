"""Collections leave and come back: the same, or not at all."""

import gzip
import hashlib
import io
import json
import random
import signal
import subprocess
import tarfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from shared.domain import IndexRule, Json, Metric, Policy, RetentionRule, State
from shared.errors import (
    ArchiveRefused,
    CollectionExists,
    CollectionNotFound,
    EncoderNotInstalled,
    InvalidRequest,
    VersionNotFound,
)
from shared.ingest import deletion, submit
from shared.searching.search import SearchRequest, search
from shared.transfer.exporting import export_collection
from shared.transfer.importing import import_archive
from tests.archives import contents, dock_of, export, import_, shelf_of, silent
from tests.command_line import run_module
from tests.fakes.encoder import FakeEncoders, HashEncoder
from tests.worlds import LIMITS, World

MEMBERS = ("lamina.json", "documents.jsonl", "ids.npy", "vectors.npy", "SHA256SUMS")
METADATA: Mapping[str, Json] = {
    "price": 0.1,
    "big": 12345678901234567890,
    "name": "Ünï\u2028code \U0001f600",
    "deep": {"list": [1, 2.5, None, True, "x"]},
}
FILE: dict[str, Json] = {"name": "a.pdf", "kind": "pdf", "places": "page", "marks": []}


@pytest.fixture
def world(tmp_path: Path, database_url: str) -> Iterator[World]:
    with World.open(tmp_path, database_url=database_url) as opened:
        yield opened


@pytest.fixture
def small(tmp_path: Path) -> Iterator[World]:
    with World.open(tmp_path) as opened:
        yield opened


def fill(world: World) -> None:
    """Publish a collection with changes, a delete, long texts and awkward ids."""
    chance = random.Random(5)
    for batch in range(4):
        documents: list[Json] = [
            {
                "id": f"d{batch}-{number}",
                "title": f"title {number}",
                "text": " ".join(f"w{chance.randrange(60)}" for _ in range(number * 9 + 1)),
                "metadata": METADATA if number % 3 == 0 else {},
                "external_version": batch + 1,
            }
            for number in range(25)
        ]
        world.add(*documents)
        world.index_all()
    world.add({"id": "é 日本\U0001f600", "text": "w1 w2\r\nline\tw3", "metadata": METADATA})
    world.add({"id": "d0-3", "title": "new", "text": "w1 changed", "external_version": 9})
    world.index_all()
    submit(world.inbox, world.bell, deletion("d1-1", collection="c", source="api"))
    world.index_all()


def scores(world: World, collection: str, query: str) -> list[tuple[str, float, str]]:
    head = world.reading.heads()[world.collections.get(collection).id]
    request = SearchRequest(
        collection=collection, query=query, k=50, version=None, min_version=head.version
    )
    return [(hit.id, hit.score, hit.passage) for hit in search(world.searcher, request).hits]


def test_what_is_imported_is_what_was_exported(world: World, tmp_path: Path) -> None:
    fill(world)
    done = export(world, tmp_path / "c.tar.gz")
    encoded = world.encoder.encoded

    imported = import_(world, tmp_path / "c.tar.gz")

    assert done.documents == 100
    assert imported.counts == {State.INDEXED: 100}
    assert world.encoder.encoded == encoded, "vectors are taken over, not made again"
    before, after = contents(world, "c"), contents(world, "copy")
    assert [one for one, _ in after] == [one for one, _ in before]
    assert len({len(one.chunks) for one, _ in before}) > 1, "some documents have more passages"
    for (_, old), (_, new) in zip(before, after, strict=True):
        assert np.array_equal(old, new), "bit for bit"
    for query in ("w1 w2", "changed", "title 7"):
        assert scores(world, "copy", query) == scores(world, "c", query)


def test_exporting_a_copy_gives_the_same_documents_and_vectors(
    small: World, tmp_path: Path
) -> None:
    fill(small)
    export(small, tmp_path / "c.tar")
    export(small, tmp_path / "again.tar")
    assert (tmp_path / "c.tar").read_bytes() == (tmp_path / "again.tar").read_bytes()

    with World.open(tmp_path / "other", database_url=other(tmp_path)) as elsewhere:
        imported = import_archive(
            dock_of(elsewhere),
            elsewhere.collections,
            FakeEncoders(elsewhere.encoder),
            tmp_path / "c.tar",
            name="c2",
            limits=LIMITS,
            step=silent,
        )
        assert imported.collection == "c2"
        assert scores(elsewhere, "c2", "w1 w2") == scores(small, "c", "w1 w2")


def other(tmp_path: Path) -> str:
    (tmp_path / "other").mkdir()
    return f"sqlite:///{tmp_path / 'other' / 'catalog.db'}"


def test_an_old_version_is_exported_as_it_was(small: World, tmp_path: Path) -> None:
    fill(small)
    then = contents(small, "c", 4)
    small.versions.tag(small.collection.id, 4, "before")

    export(small, tmp_path / "number.tar", ref="4")
    export(small, tmp_path / "tag.tar", ref="before")
    import_(small, tmp_path / "number.tar")

    assert (tmp_path / "number.tar").read_bytes() == (tmp_path / "tag.tar").read_bytes()
    assert [one for one, _ in contents(small, "copy")] == [one for one, _ in then]
    with pytest.raises(VersionNotFound):
        export(small, tmp_path / "none.tar", ref="99")
    assert not list(tmp_path.glob("none*")), "nothing is left of a refused export"


@pytest.mark.parametrize("metric", list(Metric))
def test_every_metric_comes_back(tmp_path: Path, metric: Metric) -> None:
    with World.open(tmp_path, metric=metric) as world:
        fill(world)
        export(world, tmp_path / "c.tar")
        import_(world, tmp_path / "c.tar")

        assert world.collections.get("copy").space.metric is metric
        assert scores(world, "copy", "w1 w2") == scores(world, "c", "w1 w2")


def test_an_empty_collection_comes_back_empty(small: World, tmp_path: Path) -> None:
    export(small, tmp_path / "c.tar")
    assert import_(small, tmp_path / "c.tar").counts == {}
    assert import_(small, tmp_path / "c.tar").counts == {}, "again is harmless"
    assert small.reading.heads()[small.collections.get("copy").id].version == 0


def test_tar_and_sha256sum_read_an_archive(small: World, tmp_path: Path) -> None:
    fill(small)
    export(small, tmp_path / "c.tar.gz")
    with tarfile.open(tmp_path / "c.tar.gz") as archive:
        assert archive.getnames() == list(MEMBERS)
        archive.extractall(tmp_path / "out", filter="data")

    checked = subprocess.run(
        ["sha256sum", "--check", "SHA256SUMS"],
        cwd=tmp_path / "out",
        check=False,
        capture_output=True,
    )
    assert checked.returncode == 0, checked.stdout
    assert np.load(tmp_path / "out" / "vectors.npy").dtype == np.float16
    assert len(np.load(tmp_path / "out" / "ids.npy")) == len(small.vectors())


def test_an_export_never_replaces_a_file(small: World, tmp_path: Path) -> None:
    (tmp_path / "c.tar").write_text("mine")
    with pytest.raises(InvalidRequest, match="exists"):
        export(small, tmp_path / "c.tar")
    assert (tmp_path / "c.tar").read_text() == "mine"


def test_the_exported_version_does_not_expire_meanwhile(small: World, tmp_path: Path) -> None:
    fill(small)
    asked: list[tuple[int, ...]] = []

    def expire(_done: int, _total: int) -> None:
        asked.append(tuple(small.versions.expire(small.collection.id, [2])))

    export_collection(
        shelf_of(small), "c", tmp_path / "c.tar", ref="2", lamina="0.1.0", step=expire
    )
    assert asked
    assert set(asked) == {()}
    assert small.versions.expire(small.collection.id, [2]) == [2], "released at the end"


# --- again, and in the middle ---------------------------------------------------------------------


def test_importing_again_changes_nothing(world: World, tmp_path: Path) -> None:
    fill(world)
    export(world, tmp_path / "c.tar")
    import_(world, tmp_path / "c.tar")
    head = world.reading.heads()[world.collections.get("copy").id]

    assert import_(world, tmp_path / "c.tar").counts == {State.INDEXED: 100}
    assert world.reading.heads()[head.collection_id] == head


def test_rules_come_along_and_stay_as_the_user_changes_them(small: World, tmp_path: Path) -> None:
    fill(small)
    index = IndexRule(policy=Policy.SQ8, recall_target=0.9, memory_limit_bytes=10**9)
    small.collections.configure("c", index=index, retention=RetentionRule(versions=5, days=0.5))
    export(small, tmp_path / "c.tar")

    import_(small, tmp_path / "c.tar")
    copy = small.collections.get("copy")
    assert (copy.index, copy.retention) == (index, RetentionRule(versions=5, days=0.5))

    small.collections.configure("copy", retention=RetentionRule(versions=9))
    import_(small, tmp_path / "c.tar")
    assert small.collections.get("copy").retention.versions == 9


def test_a_collection_that_exists_is_left_alone(small: World, tmp_path: Path) -> None:
    fill(small)
    export(small, tmp_path / "c.tar")
    before = small.head()

    with pytest.raises(CollectionExists, match="not made of this archive"):
        import_(small, tmp_path / "c.tar", name="c")
    assert small.head() == before
    assert len(small.records.jobs(limit=100)) == 7


def test_without_its_encoder_nothing_is_imported(small: World, tmp_path: Path) -> None:
    fill(small)
    export(small, tmp_path / "c.tar")
    strange = FakeEncoders(HashEncoder("lamina/hash", dimension=64))

    with pytest.raises(EncoderNotInstalled, match="another name"):
        import_archive(
            dock_of(small),
            small.collections,
            strange,
            tmp_path / "c.tar",
            name="copy",
            limits=LIMITS,
            step=silent,
        )
    with pytest.raises(EncoderNotInstalled, match="lamina models pull lamina/hash"):
        import_archive(
            dock_of(small),
            small.collections,
            FakeEncoders(HashEncoder("other/one")),
            tmp_path / "c.tar",
            name="copy",
            limits=LIMITS,
            step=silent,
        )
    with pytest.raises(CollectionNotFound):
        small.collections.get("copy")


CRASHES = (
    "import.accepted:1",
    "import.accepted:3",
    "import.segment_written:1",
    "import.segment_written:2",
    "publish.manifest_written:2",
    "publish.committed:1",
    "publish.committed:2",
)
QUICK = ("workers", "publish.committed:1")


@pytest.mark.parametrize(
    ("who", "point"),
    [
        pytest.param(who, point, marks=() if (who, point) == QUICK else pytest.mark.slow)
        for who in ("importer", "workers")
        for point in CRASHES
    ],
)
def test_killed_in_the_middle_it_goes_on(tmp_path: Path, point: str, who: str) -> None:
    with World.open(tmp_path) as world:
        for number in range(3):
            world.add(*({"id": f"d{number}-{n}", "text": f"text {n}"} for n in range(400)))
            world.index_all()
        export(world, tmp_path / "c.tar")
        child = run_module("tests.faults.import_child", str(tmp_path), point, seconds=100)
        assert child.returncode == -signal.SIGKILL, child.stderr
        if who == "workers":
            world.claims.reap(worker="host:8", max_crashes=3)
            world.index_all()  # those whose hold is over; the others wait

        imported = import_(world, tmp_path / "c.tar")

        assert imported.counts == {State.INDEXED: 1200}
        before, after = contents(world, "c"), contents(world, "copy")
        assert [one.id for one, _ in after] == [one.id for one, _ in before]
        for (_, old), (_, new) in zip(before, after, strict=True):
            assert np.array_equal(old, new)
        copy = world.collections.get("copy")
        manifest = world.store.read_manifest(world.reading.heads()[copy.id])
        assert manifest.live == 1200, "nothing is there twice"


# --- hostile archives -----------------------------------------------------------------------------

Parts = dict[str, bytes]
Change = Callable[[Parts], None]


def unpacked(path: Path) -> Parts:
    with tarfile.open(path) as archive:
        return {one.name: _content(archive, one) for one in archive.getmembers()}


def _content(archive: tarfile.TarFile, member: tarfile.TarInfo) -> bytes:
    file = archive.extractfile(member)
    assert file is not None
    return file.read()


def resummed(parts: Parts) -> None:
    """Make the checksums right again, as whoever means harm would."""
    lines = (
        f"{hashlib.sha256(content).hexdigest()}  {name}\n"
        for name, content in parts.items()
        if name != "SHA256SUMS"
    )
    parts["SHA256SUMS"] = "".join(lines).encode()


def packed(parts: Parts) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.GNU_FORMAT) as archive:
        for name, content in parts.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return out.getvalue()


def in_header(**changes: object) -> Change:
    def change(parts: Parts) -> None:
        header = json.loads(parts["lamina.json"])
        for name, value in changes.items():
            where, _, inner = name.partition("__")
            if inner:
                header[where][inner] = value
            else:
                header[where] = value
        parts["lamina.json"] = json.dumps(header).encode()

    return change


def in_document(change_line: Callable[[dict[str, Any]], None], number: int = 1) -> Change:
    def change(parts: Parts) -> None:
        lines = parts["documents.jsonl"].splitlines()
        document = json.loads(lines[number])
        change_line(document)
        lines[number] = json.dumps(document).encode()
        parts["documents.jsonl"] = b"\n".join(lines) + b"\n"

    return change


def replaced(name: str, old: bytes, new: bytes) -> Change:
    def change(parts: Parts) -> None:
        assert old in parts[name]
        parts[name] = parts[name].replace(old, new, 1)

    return change


def array(name: str, make: Callable[[np.ndarray], np.ndarray], *, pickle: bool = False) -> Change:
    def change(parts: Parts) -> None:
        out = io.BytesIO()
        np.save(out, make(np.load(io.BytesIO(parts[name]))), allow_pickle=pickle)
        parts[name] = out.getvalue()

    return change


def last_infinite(vectors: np.ndarray) -> np.ndarray:
    vectors[-1, -1] = np.inf
    return vectors


def twice(ids: np.ndarray) -> np.ndarray:
    ids[1] = ids[0]
    return ids


def same_id_twice(parts: Parts) -> None:
    array("ids.npy", twice)(parts)
    lines = [json.loads(line) for line in parts["documents.jsonl"].splitlines()]
    first = lines[0]["chunks"][0][0]
    flat = [chunk for line in lines for chunk in line["chunks"]]
    flat[1][0] = first
    parts["documents.jsonl"] = b"".join(json.dumps(one).encode() + b"\n" for one in lines)


def drop_line(parts: Parts) -> None:
    parts["documents.jsonl"] = b"\n".join(parts["documents.jsonl"].splitlines()[1:]) + b"\n"


def swap_lines(parts: Parts) -> None:
    one, two, *rest = parts["documents.jsonl"].splitlines()
    parts["documents.jsonl"] = b"\n".join([two, one, *rest]) + b"\n"


HOSTILE: dict[str, tuple[Change, str]] = {
    "another format": (in_header(format=3), "newer"),
    "an unknown field": (in_header(surprise=1), "surprise"),
    "a space with code": (in_header(space__metric="hamming"), "metric"),
    "a dimension too large": (in_header(space__dimension=10**9), "dimension"),
    "a dimension that is not that of the encoder": (in_header(space__dimension=31), "array of"),
    "more documents said": (in_header(documents=11), "10 documents, not 11"),
    "fewer vectors said": (in_header(vectors=3), "more passages"),
    "more vectors said": (in_header(vectors=99), "99 vectors"),
    "a rule out of range": (in_header(index__recall_target=3.0), "recall_target"),
    "no JSON": (replaced("lamina.json", b"{", b"["), "JSON"),
    "NaN in JSON": (
        replaced("documents.jsonl", b'"metadata": {}', b'"metadata": {"x": NaN}'),
        "NaN",
    ),
    "a document less": (drop_line, "9 documents|not the ids|not as many"),
    "documents in disorder": (swap_lines, "does not follow"),
    "a last line without end": (
        lambda parts: parts.update({"documents.jsonl": parts["documents.jsonl"][:-1]}),
        "cut off",
    ),
    "a field too many": (in_document(lambda one: one.update(exec="rm")), "exec"),
    "a span outside the text": (
        in_document(lambda one: one["chunks"][0].__setitem__(2, 10**6)),
        "a passage is",
    ),
    "a span backwards": (
        in_document(lambda one: one["chunks"][0].__setitem__(1, len(one["text"]) + 1)),
        "a passage is",
    ),
    "a negative span": (
        in_document(lambda one: one["chunks"][0].__setitem__(1, -1)),
        "greater than",
    ),
    "a place outside the text": (
        in_document(lambda one: one.update(file=FILE | {"marks": [[10**6, "1"]]})),
        "begins at 1000000",
    ),
    "places in disorder": (
        in_document(lambda one: one.update(file=FILE | {"marks": [[3, "1"], [3, "2"]]})),
        "do not rise",
    ),
    "a file of another kind": (
        in_document(lambda one: one.update(file=FILE | {"kind": "exe"})),
        "file.kind",
    ),
    "a NUL in a text": (in_document(lambda one: one.update(text="a\0b")), "NUL"),
    "an id of another kind": (in_document(lambda one: one.update(id=7)), "string"),
    "an id with control characters": (
        in_document(lambda one: one.update(id="d1\x1b[2J")),
        "control",
    ),
    "a text beyond the limit": (
        in_document(lambda one: one.update(text="x" * 100_001)),
        "at most 100000",
    ),
    "metadata nested too deep": (
        in_document(lambda one: one.update(metadata=json.loads('{"a":' * 40 + "1" + "}" * 40))),
        "nested",
    ),
    "an id of another passage": (array("ids.npy", lambda ids: ids[::-1].copy()), "not the ids"),
    "an id twice": (same_id_twice, "two passages"),
    "ids of another type": (array("ids.npy", lambda ids: ids.astype("f8")), "array of"),
    "big-endian ids": (array("ids.npy", lambda ids: ids.astype(">i8")), "array of"),
    "a pickle for ids": (
        array("ids.npy", lambda ids: ids.astype(object), pickle=True),
        "Python objects",
    ),
    "a pickle for vectors": (
        array("vectors.npy", lambda one: one.astype(object), pickle=True),
        "Python objects",
    ),
    "vectors in Fortran order": (array("vectors.npy", np.asfortranarray), "C order"),
    "float32 vectors": (array("vectors.npy", lambda one: one.astype("f4")), "array of"),
    "a vector less": (array("vectors.npy", lambda one: one[:-1]), "array of"),
    "an infinite value": (array("vectors.npy", last_infinite), "not finite"),
    "a header that promises more than there is": (
        replaced("vectors.npy", b"(10, 32), ", b"(99, 32), "),
        "array of",
    ),
    "bytes after the vectors": (
        lambda parts: parts.update({"vectors.npy": parts["vectors.npy"] + b"\0" * 64}),
        "bytes for",
    ),
    "a header that is code": (
        replaced("vectors.npy", b"'fortran_order': False", b"'fortran_order': exit()"),
        "vectors.npy",
    ),
    "no numpy file": (
        lambda parts: parts.update({"ids.npy": b"PK\3\4" + b"x" * 200}),
        "not a .npy",
    ),
    "a sum missing": (
        lambda parts: parts.update({"SHA256SUMS": parts["SHA256SUMS"].split(b"\n", 1)[1]}),
        "does not list",
    ),
}


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An archive of ten documents of one passage each."""
    folder = tmp_path_factory.mktemp("archive")
    with World.open(folder) as world:
        world.add(*({"id": f"d{n}", "text": f"some text {n}"} for n in range(10)))
        world.index_all()
        export(world, folder / "c.tar")
    return folder / "c.tar"


def refused(world: World, path: Path, match: str) -> None:
    with pytest.raises(ArchiveRefused, match=match):
        import_(world, path)
    with pytest.raises(CollectionNotFound):
        world.collections.get("copy")
    assert world.records.jobs(limit=1) == []


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_archive_is_refused_whole(
    small: World, archive: Path, tmp_path: Path, name: str
) -> None:
    change, match = HOSTILE[name]
    parts = unpacked(archive)
    change(parts)
    if name != "a sum missing":
        resummed(parts)
    (tmp_path / "hostile.tar").write_bytes(packed(parts))

    refused(small, tmp_path / "hostile.tar", match)


def member(name: str, content: bytes = b"", **fields: object) -> tuple[tarfile.TarInfo, bytes]:
    info = tarfile.TarInfo(name)
    info.size = len(content)
    for field, value in fields.items():
        setattr(info, field, value)
    return info, content


def first_is(info: tarfile.TarInfo, content: bytes) -> Callable[[Parts], bytes]:
    def make(parts: Parts) -> bytes:
        blocks = info.tobuf(tarfile.PAX_FORMAT) + content + bytes(-len(content) % 512)
        return blocks + packed({name: parts[name] for name in MEMBERS[1:]})

    return make


def with_size(size: int) -> Callable[[Parts], bytes]:
    def make(parts: Parts) -> bytes:
        info, _ = member("lamina.json", size=size)
        return info.tobuf(tarfile.GNU_FORMAT) + parts["lamina.json"]

    return make


TARS: dict[str, tuple[Callable[[Parts], bytes], str]] = {
    "a symbolic link": (
        first_is(*member("lamina.json", type=tarfile.SYMTYPE, linkname="/etc/passwd")),
        "plain file",
    ),
    "a hard link": (
        first_is(*member("lamina.json", type=tarfile.LNKTYPE, linkname="ids.npy")),
        "plain file",
    ),
    "a device": (first_is(*member("lamina.json", type=tarfile.CHRTYPE)), "plain file"),
    "a folder": (first_is(*member("lamina.json", type=tarfile.DIRTYPE)), "holds|plain file"),
    "an absolute path": (first_is(*member("/lamina.json", b"{}")), "holds '/lamina.json'"),
    "a path outside": (first_is(*member("../lamina.json", b"{}")), "holds '../lamina.json'"),
    "an extended header": (
        first_is(*member("lamina.json", b"{}", pax_headers={"path": "/etc/passwd"})),
        "holds|plain",
    ),
    "another name": (first_is(*member("setup.py", b"{}")), "holds 'setup.py'"),
    "a file too many": (lambda parts: packed({**parts, "more": b"x"}), "unexpected at its end"),
    "a file less": (
        lambda parts: packed({k: v for k, v in parts.items() if k != "ids.npy"}),
        "ids.npy should be",
    ),
    "another order": (lambda parts: packed(dict(reversed(parts.items()))), "holds 'SHA256SUMS'"),
    "a size beyond the file": (with_size(500_000), "cut off"),
    "a header of 10 GB": (with_size(10 * 10**9), "at most"),
    "nothing": (lambda _: b"", "ends before"),
    "only zeros": (lambda _: bytes(10240), "ends before"),
    "a zip": (lambda _: b"PK\3\4" * 300, "no tar file"),
    "a gzip of nothing": (lambda _: gzip.compress(b""), "ends before"),
    "a cut-off gzip": (lambda parts: gzip.compress(packed(parts))[:-200], "compression|cut off"),
    "something after the end": (lambda parts: packed(parts) + b"#!/bin/sh", "after its end"),
    "a long tail": (lambda parts: packed(parts) + bytes(30_000), "after its end"),
}


@pytest.mark.parametrize("name", TARS)
def test_a_hostile_tar_is_refused(small: World, archive: Path, tmp_path: Path, name: str) -> None:
    make, match = TARS[name]
    (tmp_path / "hostile.tar").write_bytes(make(unpacked(archive)))

    refused(small, tmp_path / "hostile.tar", match)


def test_repacking_an_archive_with_tar_harms_nothing(
    small: World, archive: Path, tmp_path: Path
) -> None:
    (tmp_path / "again.tar").write_bytes(packed(unpacked(archive)))
    assert import_(small, tmp_path / "again.tar").counts == {State.INDEXED: 10}


def test_no_flipped_byte_passes(small: World, archive: Path, tmp_path: Path) -> None:
    content = archive.read_bytes()
    chance = random.Random(11)
    ends = _ends(content)
    for place in sorted(chance.sample(range(ends), 150)):
        flipped = bytearray(content)
        flipped[place] ^= 1 << chance.randrange(8)
        (tmp_path / "flipped.tar").write_bytes(flipped)
        try:
            imported = import_(small, tmp_path / "flipped.tar", name=f"x{place}")
        except ArchiveRefused:
            continue
        assert imported.counts == {State.INDEXED: 10}
        assert _only_in_tar_headers(content, place), place


def _ends(content: bytes) -> int:
    return len(content.rstrip(b"\0"))


def _only_in_tar_headers(content: bytes, place: int) -> bool:
    """Whether a byte is of a tar header, whose fields like the date are of no use here."""
    with tarfile.open(fileobj=io.BytesIO(content)) as archive:
        return not any(
            one.offset_data <= place < one.offset_data + one.size for one in archive.getmembers()
        )
