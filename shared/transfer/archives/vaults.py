"""A folder with a backup: files under checksums, and one small file that says which they are.

    backup.json                      what the backup is; replaced last, so it is all or nothing
    catalog-<name>/<table>.jsonl.gz  the rows of each table
    catalog-<name>/SHA256SUMS        of every file of the backup, relative to the folder
    index/…  models/…  files/…       immutable files, shared by one backup and the next

`sha256sum --check catalog-*/SHA256SUMS` in the folder checks it without Lamina.
"""

import fcntl
import gzip
import hashlib
import io
import json
import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import Annotated

from pydantic import Field

from shared.domain import Json, sha256_of
from shared.errors import ArchiveRefused, InvalidRequest
from shared.ports import Step
from shared.transfer.archives import sums
from shared.transfer.archives.drafts import make_folders, new_file, parts_of
from shared.transfer.archives.header import Count, Record, Sha256, Text
from shared.transfer.archives.strict import parse_object

FORMAT = 1
"""Number of the backup format; a reader refuses what is newer."""

CARD = "backup.json"
CATALOG = "catalog-"
FILES = "files"
INDEX = "index"
MODELS = "models"
KINDS = (FILES, INDEX, MODELS)

_MOST_CARD = 16 << 20
_BLOCK = 1 << 20


class ModelCard(Record):
    """An encoder that was installed."""

    name: Text
    fingerprint: Text


class Card(Record):
    """What `backup.json` says."""

    format: Annotated[int, Field(ge=1, le=FORMAT)]
    lamina: Text
    """The version of Lamina that wrote it."""
    revision: Text
    """Of the catalog's schema."""
    taken_at: float
    """The moment that it shows, by the catalog's clock."""
    catalog: Annotated[str, Field(pattern=rf"^{CATALOG}[0-9a-f]{{32}}$")]
    """The folder with the tables and the checksums."""
    sums_sha256: Sha256
    tables: dict[str, Count]
    """Rows by table, each table after those that it refers to."""
    sequences: dict[str, Count]
    versions: Count
    """Kept versions whose files are there."""
    models: list[ModelCard]

    @property
    def sums_key(self) -> str:
        """Where the checksums are."""
        return f"{self.catalog}/{sums.NAME}"

    def table_key(self, table: str) -> str:
        """Return where a table's rows are."""
        return f"{self.catalog}/{table}.jsonl.gz"


class Vault:
    """The folder. Keys are paths in it, with `/`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Keep other processes from writing here; make the folder if needed.

        Raises:
            InvalidRequest: it is not a folder for backups, or another process writes.
        """
        try:
            make_folders(self.folder.absolute())
            descriptor = os.open(self.folder, os.O_RDONLY | os.O_DIRECTORY)
        except OSError as error:
            raise InvalidRequest(f"{self.folder}: {error.strerror or error}.") from error
        try:
            self._take(descriptor)
            self._check_ours()
            yield
        finally:
            os.close(descriptor)

    def _take(self, descriptor: int) -> None:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise InvalidRequest(f"Another process is writing to {self.folder}.") from error

    def _check_ours(self) -> None:
        for path in self.folder.iterdir():
            if path.name not in KINDS and not path.name.startswith((CARD, CATALOG)):
                raise InvalidRequest(
                    f"{self.folder} holds {path.name}, which is no part of a backup; choose a "
                    "folder of its own."
                )

    # --- reading ------------------------------------------------------------------------------

    def card(self) -> Card | None:
        """Return what is here; None if there is no backup.

        Raises:
            ArchiveRefused: `backup.json` is damaged.
        """
        path = self.folder / CARD
        try:
            with path.open("rb") as file:
                content = file.read(_MOST_CARD)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise ArchiveRefused(f"{path}: {error.strerror or error}.") from error
        found = parse_object(content, str(path))
        if found.keys() != {"backup", "sha256"} or sha256_of(found["backup"]) != found["sha256"]:
            raise ArchiveRefused(f"{path}: its content is not what its checksum says.")
        return Card.parse(json.dumps(found["backup"]).encode(), str(path))

    def sums(self, card: Card) -> dict[str, str]:
        """Return the sha256 of every file of a backup by its key.

        Raises:
            ArchiveRefused: the list is damaged, or names a file outside the folder.
        """
        path = self.folder / card.sums_key
        try:
            content = path.read_bytes()
        except OSError as error:
            raise ArchiveRefused(f"{path}: {error.strerror or error}.") from error
        if hashlib.sha256(content).hexdigest() != card.sums_sha256:
            raise ArchiveRefused(f"{path}: its content is not what {CARD} says.")
        listed = sums.load(content, str(path))
        for key in listed:
            parts = PurePosixPath(key).parts
            if parts[0] not in (*KINDS, card.catalog) or not {"..", "."}.isdisjoint(parts):
                raise ArchiveRefused(f"{path}: {key!r} is no place for a file of a backup.")
        return listed

    def check(self, listed: Mapping[str, str], step: Step) -> None:
        """Read every file of a backup again and compare its checksum.

        Raises:
            ArchiveRefused: one is missing or damaged.
        """
        for done, (key, sha256) in enumerate(listed.items(), start=1):
            self.check_file(key, sha256)
            step(done, len(listed))

    def is_good(self, key: str, sha256: str) -> bool:
        """Whether a file is there and is what its checksum says."""
        path = self.folder / key
        return path.is_file() and not path.is_symlink() and sums.of_file(path) == sha256

    def check_file(self, key: str, sha256: str) -> None:
        """Read one file and compare its checksum.

        Raises:
            ArchiveRefused: missing or damaged.
        """
        path = self.folder / key
        if path.is_symlink():
            raise ArchiveRefused(f"{path}: a link, not a file.")
        try:
            found = sums.of_file(path)
        except OSError as error:
            raise ArchiveRefused(f"{path}: {error.strerror or error}.") from error
        if found != sha256:
            raise ArchiveRefused(f"{path}: damaged; its sha256 is {found}, not {sha256}.")

    def rows(self, card: Card, table: str) -> Iterator[dict[str, Json]]:
        """Yield the rows of a table.

        Raises:
            ArchiveRefused: damaged, or not as many as there were.
        """
        path = self.folder / card.table_key(table)
        number = 0
        try:
            with gzip.open(path) as file:
                for number, line in enumerate(file, start=1):
                    yield parse_object(line, f"{path}:{number}")
        except (OSError, EOFError) as error:
            raise ArchiveRefused(f"{path}: {error}.") from error
        if number != card.tables[table]:
            raise ArchiveRefused(f"{path}: {number} rows, not {card.tables[table]}.")

    # --- writing ------------------------------------------------------------------------------

    def put(self, key: str, parts: Iterable[bytes]) -> str:
        """Write a file, durable on return; return its sha256."""
        digest = hashlib.sha256()
        path = self.folder / key
        make_folders(path.parent)
        with new_file(path) as file:
            for part in parts:
                digest.update(part)
                file.write(part)
        return digest.hexdigest()

    def put_rows(self, key: str, rows: Iterable[Mapping[str, Json]]) -> tuple[str, int]:
        """Write rows as gzipped JSON Lines; return sha256 and how many."""
        path = self.folder / key
        make_folders(path.parent)
        count = 0
        with (
            new_file(path) as file,
            gzip.GzipFile("", "wb", compresslevel=6, fileobj=file, mtime=0) as packed,
            io.BufferedWriter(packed, _BLOCK) as out,
        ):
            for row in rows:
                count += 1
                out.write(json.dumps(row, ensure_ascii=False, allow_nan=False).encode() + b"\n")
        return sums.of_file(path), count

    def switch(self, card: Card) -> None:
        """Make *card*, whose files are all here, the backup of this folder."""
        backup = card.model_dump(mode="json")
        content = json.dumps({"backup": backup, "sha256": sha256_of(backup)}, indent=1)
        with new_file(self.folder / CARD) as file:
            file.write(content.encode())

    def sweep(self, listed: Iterable[str]) -> int:
        """Remove every file that is not listed; return how many."""
        kept = {self.folder / key for key in (*listed, CARD)}
        gone = [path for path in self.folder.rglob("*") if path.is_file() and path not in kept]
        for path in gone:
            path.unlink()
        for path in sorted(self.folder.rglob("*"), reverse=True):
            if path.is_dir() and not any(path.iterdir()):
                path.rmdir()
        return len(gone)


def copy_new(source: Path, target: Path, sha256: str) -> bool:
    """Copy a file, verified and durable; return false if it is there already.

    Raises:
        ArchiveRefused: *source* is damaged, or another file has the name *target*.
    """
    if target.exists():
        if sums.of_file(target) != sha256:
            raise ArchiveRefused(f"{target} exists and is another file.")
        return False
    make_folders(target.parent)
    digest = hashlib.sha256()
    with new_file(target) as copy:
        for part in parts_of(source):
            digest.update(part)
            copy.write(part)
        if digest.hexdigest() != sha256:
            raise ArchiveRefused(f"{source}: changed while it was copied.")
    return True
