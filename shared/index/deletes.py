"""Delete sets: which positions of a segment are dead. A file of its own, never edited.

A 32-byte header, then the dead positions as rising uint32 until they pass one in 32, from
where a bitmap (bit *i* of byte *i // 8*, lowest bit first) is smaller. Little endian.
"""

import struct

import numpy as np

from shared.domain import Deletes, Positions, Segment
from shared.errors import CorruptFile
from shared.index import formats
from shared.index.files import Files
from shared.index.formats import FORMAT

SUFFIX = ".dead"

_HEADER = struct.Struct("<8sHHIQQ")  # magic, format, kind, reserved, rows, count
_MAGIC = b"LAMINADS"
_POSITIONS, _BITMAP = 1, 2
_SPARSE = 32


def folder_of(collection_id: int) -> str:
    """Return the key of the folder that holds a collection's delete sets."""
    return f"{collection_id}/deletes"


def key_of(collection_id: int, segment: Segment) -> str:
    """Return the key of the delete set of *segment*; of the folder if it has none."""
    return f"{folder_of(collection_id)}/{segment.deletes.file if segment.deletes else ''}"


def write(files: Files, key: str, *, rows: int, dead: Positions, since: float = 0.0) -> Deletes:
    """Write the dead positions of a segment of *rows* vectors; durable on return.

    Args:
        files: where to.
        key: of the new file.
        rows: of the segment, dead ones too.
        dead: rising.
        since: when the first of them died, by the catalog's clock; kept in manifests only.
    """
    sparse = len(dead) * _SPARSE <= rows
    if sparse:
        payload = dead.astype("<u4").tobytes()
    else:
        mask = np.zeros(rows, dtype=bool)
        mask[dead] = True
        payload = np.packbits(mask, bitorder="little").tobytes()
    kind = _POSITIONS if sparse else _BITMAP
    header = _HEADER.pack(_MAGIC, FORMAT, kind, 0, rows, len(dead))
    stamp = files.new_file(key, [header, payload])
    return Deletes(file=key.rpartition("/")[2], sha256=stamp.sha256, count=len(dead), since=since)


def read(files: Files, key: str, segment: Segment) -> Positions:
    """Return the dead positions of *segment*, rising.

    Raises:
        CorruptFile: missing, damaged, or of another segment.
    """
    deletes = segment.deletes
    if deletes is None:
        return np.empty(0, dtype=np.uint32)
    limit = _HEADER.size + max(4 * deletes.count, segment.rows // 8 + 1)
    content = files.read(key, deletes.sha256, limit=limit)
    try:
        dead = _parse(content, segment.rows, deletes.count)
    except ValueError as error:
        raise CorruptFile(f"{key}: {error}") from error
    return dead


def _parse(content: bytes, rows: int, count: int) -> Positions:
    if len(content) < _HEADER.size:
        raise ValueError("too short for its header.")
    magic, form, kind, _, its_rows, its_count = _HEADER.unpack_from(content)
    if magic != _MAGIC:
        raise ValueError("not a delete set.")
    formats.readable(form)
    if kind not in (_POSITIONS, _BITMAP):
        raise ValueError(f"not a delete set of format {form}.")
    if (its_rows, its_count) != (rows, count):
        raise ValueError(f"{its_count} of {its_rows} are dead, not {count} of {rows}.")
    payload = np.frombuffer(content, dtype=np.uint8, offset=_HEADER.size)
    if payload.size != (4 * count if kind == _POSITIONS else (rows + 7) // 8):
        raise ValueError(f"a payload of {payload.size} bytes.")
    if kind == _POSITIONS:
        dead = payload.view("<u4").astype(np.uint32)
    else:
        dead = np.flatnonzero(np.unpackbits(payload, bitorder="little")).astype(np.uint32)
    if len(dead) != count or (count and dead[-1] >= rows) or not (dead[1:] > dead[:-1]).all():
        raise ValueError("its positions are not rising, or not inside the segment.")
    return dead
