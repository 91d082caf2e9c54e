"""Delete sets come back as they were written, in the smaller of two forms."""

from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
from hypothesis import given as over
from hypothesis import strategies as st

from shared.domain import Positions, Segment
from shared.errors import CorruptFile
from shared.index import LocalFiles, deletes

SEGMENT = Segment(
    id="a1-x", space_id=1, rows=1, min_id=1, max_id=1, bytes=1, sha256="0" * 64, deletes=None
)


def positions(rows: int, dead: set[int]) -> Positions:
    return np.array(sorted(one % rows for one in dead), dtype=np.uint32)


@over(st.integers(1, 5000), st.sets(st.integers(0, 10**6), min_size=1, max_size=300))
def test_what_was_deleted_is_read_back(rows: int, drawn: set[int]) -> None:
    dead = np.unique(positions(rows, drawn))
    with TemporaryDirectory() as folder:
        files = LocalFiles(Path(folder))
        written = deletes.write(files, "1/deletes/a1-x.dead", rows=rows, dead=dead)
        segment = replace(SEGMENT, rows=rows, deletes=written)

        assert written.count == len(dead)
        assert deletes.read(files, "1/deletes/a1-x.dead", segment).tolist() == dead.tolist()


def test_it_becomes_a_bitmap_where_positions_would_be_larger(tmp_path: Path) -> None:
    files = LocalFiles(tmp_path)

    deletes.write(files, "sparse", rows=3200, dead=np.arange(100, dtype=np.uint32))
    deletes.write(files, "dense", rows=3200, dead=np.arange(101, dtype=np.uint32))

    assert (tmp_path / "sparse").stat().st_size == 32 + 400
    assert (tmp_path / "dense").stat().st_size == 32 + 400


def test_a_segment_without_deletes_has_no_dead_positions(tmp_path: Path) -> None:
    assert deletes.read(LocalFiles(tmp_path), "none", SEGMENT).tolist() == []


@pytest.mark.parametrize(
    ("at", "value", "complaint"),
    [
        (0, b"X", "not a delete set"),
        (8, b"\x09", "written by a newer Lamina"),
        (10, b"\x07", "not a delete set"),
        (16, b"\x09", "are dead"),
        (24, b"\x09", "are dead"),
        (32, b"\x03\x00\x00\x00", "not rising"),
        (36, b"\xff\xff\x00\x00", "not inside"),
        (10, b"\x02", "payload"),
    ],
)
def test_impossible_content_with_the_right_checksum_is_refused(
    tmp_path: Path, at: int, value: bytes, complaint: str
) -> None:
    files = LocalFiles(tmp_path)
    written = deletes.write(files, "x", rows=100, dead=np.array([1, 2], dtype=np.uint32))
    content = bytearray((tmp_path / "x").read_bytes())
    content[at : at + len(value)] = value
    forged = files.new_file("y", [bytes(content)])
    segment = replace(SEGMENT, rows=100, deletes=replace(written, sha256=forged.sha256))

    with pytest.raises(CorruptFile, match=f"y: .*{complaint}"):
        deletes.read(files, "y", segment)


def test_bits_past_the_segment_are_refused(tmp_path: Path) -> None:
    files = LocalFiles(tmp_path)
    written = deletes.write(files, "x", rows=10, dead=np.arange(9, dtype=np.uint32))
    content = bytearray((tmp_path / "x").read_bytes())
    content[-2:] = b"\xff\x80"
    forged = files.new_file("y", [bytes(content)])
    segment = replace(SEGMENT, rows=10, deletes=replace(written, sha256=forged.sha256))

    with pytest.raises(CorruptFile, match="not inside"):
        deletes.read(files, "y", segment)
