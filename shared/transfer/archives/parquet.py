"""Rows of Parquet files, through the optional package pyarrow."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from shared.errors import ArchiveRefused, ConfigurationError
from shared.transfer.archives.strict import parse_object

_ROWS = 1000  # in memory at once


def read(path: Path, columns: frozenset[str]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield each row and where it stands.

    Raises:
        ConfigurationError: pyarrow is not installed.
        ArchiveRefused: damaged, or it has other columns than *columns*.
    """
    try:
        # An optional extra of 55 MB, which most installations never need.
        import pyarrow as pa  # noqa: PLC0415
        import pyarrow.parquet as pq  # noqa: PLC0415
    except ImportError as error:
        raise ConfigurationError(
            "Parquet needs pyarrow, which is not installed: `pip install 'pyarrow>=26'` where "
            "Lamina runs, or convert the file to JSON Lines."
        ) from error
    try:
        with pq.ParquetFile(path) as file:
            if unknown := sorted(set(file.schema_arrow.names) - columns):
                raise ArchiveRefused(f"{path}: unknown columns {', '.join(unknown)}.")
            number = 0
            for batch in file.iter_batches(batch_size=_ROWS):
                for fields in batch.to_pylist():
                    number += 1
                    where = f"{path}, row {number}"
                    yield where, _as_json(fields, where)
    except pa.ArrowException as error:
        raise ArchiveRefused(f"{path}: {error}.") from error


def _as_json(fields: Mapping[str, Any], where: str) -> dict[str, Any]:
    """Return a row as JSON would have it: no empty cells, metadata as an object."""
    kept = {name: value for name, value in fields.items() if value is not None}
    metadata = kept.get("metadata")
    if isinstance(metadata, str):
        kept["metadata"] = parse_object(metadata, f"{where}, metadata")
    elif isinstance(metadata, list):  # a map column is a list of pairs
        kept["metadata"] = dict(metadata)
    return kept
