"""`lamina-model.json`: what was installed, written last and trusted from then on."""

import hashlib
import json
from dataclasses import asdict, dataclass
from pathlib import Path

from shared.domain import EncoderCard, Metric
from shared.errors import CorruptFile

FILE = "lamina-model.json"
FORMAT = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelFile:
    """One file of an installed model."""

    path: str
    """Relative to the model's folder, with slashes."""
    sha256: str
    size: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelRecord:
    """An installed model."""

    card: EncoderCard
    source: str
    """`folder`, `hub` or `wheel`."""
    revision: str | None
    """Commit on the Hub, or version of the wheel."""
    files: tuple[ModelFile, ...]


def hash_file(path: Path) -> str:
    """Return the sha256 of a file, as hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def list_files(folder: Path) -> tuple[ModelFile, ...]:
    """Hash every file in *folder*, by rising path; the record itself is left out."""
    paths = sorted(path for path in folder.rglob("*") if path.is_file() and path.name != FILE)
    return tuple(
        ModelFile(
            path=path.relative_to(folder).as_posix(),
            sha256=hash_file(path),
            size=path.stat().st_size,
        )
        for path in paths
    )


def dump(record: ModelRecord) -> str:
    """Return the record as JSON text."""
    return json.dumps({"format": FORMAT, **asdict(record)}, indent=2) + "\n"


def read(folder: Path) -> ModelRecord:
    """Read the record of an installed model.

    Raises:
        CorruptFile: it is damaged, or of a newer format.
        FileNotFoundError: there is none: nothing is installed there.
    """
    try:
        found = json.loads((folder / FILE).read_text(encoding="utf-8"))
        if found["format"] != FORMAT:
            raise CorruptFile(f"{folder.name}/{FILE} has format {found['format']}, not {FORMAT}.")
        card = EncoderCard(**{**found["card"], "metric": Metric(found["card"]["metric"])})
        files = tuple(ModelFile(**one) for one in found["files"])
        return ModelRecord(
            card=card, source=found["source"], revision=found["revision"], files=files
        )
    except (UnicodeDecodeError, ValueError, KeyError, TypeError) as error:
        raise CorruptFile(f"{folder.name}/{FILE} is damaged: {error!r}") from error


def check_sizes(folder: Path, record: ModelRecord) -> None:
    """Check that every file is there with its size.

    Raises:
        CorruptFile: one is missing or has another size.
    """
    for file in record.files:
        path = folder / file.path
        if not path.is_file() or path.stat().st_size != file.size:
            raise CorruptFile(_damage(folder, file))


def check_hashes(folder: Path, record: ModelRecord) -> None:
    """Check the content of every file.

    Raises:
        CorruptFile: one differs from what was installed.
    """
    for file in record.files:
        if hash_file(folder / file.path) != file.sha256:
            raise CorruptFile(_damage(folder, file))


def _damage(folder: Path, file: ModelFile) -> str:
    return (
        f"The model file {folder.name}/{file.path} is missing or damaged. Delete the folder "
        f"{folder.name} and install the model again."
    )
