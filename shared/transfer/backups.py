"""Back up a whole installation while it runs, and make one of a backup.

The catalog is read in one transaction, so a backup shows one moment. The files that its kept
versions need never change; each version is leased before they are copied, so that none goes
meanwhile. A save that dies leaves the former backup as it was.
"""

import secrets
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import chain
from pathlib import Path

from shared.domain import Bytes, Head
from shared.errors import (
    ArchiveRefused,
    CorruptFile,
    InvalidRequest,
    VersionExpired,
)
from shared.failpoints import reach
from shared.ports import Dump, Encoders, IndexFiles, IndexStore, Roster, Step, TablesNow, Versions
from shared.transfer.archives import sums
from shared.transfer.archives.drafts import parts_of
from shared.transfer.archives.vaults import FILES, INDEX, MODELS, Card, ModelCard, Vault
from shared.uploads.clearing import Attic
from shared.versions.holds import Holds

_TRIES = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Installation:
    """What a backup is taken of."""

    dump: Dump
    versions: Versions
    roster: Roster
    store: IndexStore
    files: IndexFiles
    encoders: Encoders
    holder: str
    lease_seconds: float
    lamina: str
    """The version of this program."""
    attic: Attic | None = None
    """Where the bytes of files are; None where there are none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Saved:
    """What a save did."""

    card: Card
    copied: int
    """Index and model files that were new."""
    kept: int
    """Those that were there already, and are still good."""
    removed: int
    """Files that only the former backup needed."""


def save(source: Installation, folder: Path, *, models: Path | None, step: Step) -> Saved:
    """Write or renew the backup in *folder*.

    Args:
        source: what is backed up.
        folder: of its own; files of the former backup that are still needed are not copied again.
        models: the folder of installed encoders, to copy them too; else only their names are kept.
        step: called with (versions copied, all kept versions).

    Raises:
        InvalidRequest: the folder holds something else, cannot be written, or another save runs.
        CorruptFile: a file that a kept version needs is damaged; nothing was changed.
        Retryable: not now; the former backup is as it was.
    """
    vault = Vault(folder)
    with vault.writing():
        try:
            return _save(source, vault, models, step, tries=_TRIES)
        except OSError as error:
            raise InvalidRequest(f"{folder}: {error.strerror or error}.") from error


def check(folder: Path, *, step: Step) -> Card:
    """Read a whole backup and return what it says of itself.

    Raises:
        ArchiveRefused: there is none, or any file of it is missing or damaged.
    """
    vault = Vault(folder)
    card, listed = opened(vault)
    vault.check(listed, step)
    for table in card.tables:
        for _ in vault.rows(card, table):
            pass
    return card


def _save(
    source: Installation, vault: Vault, models: Path | None, step: Step, *, tries: int
) -> Saved:
    former = _trusted(vault)
    try:
        with Holds(source.versions, source.holder, source.lease_seconds) as holds:
            return _Save(source, vault, former, models, step, holds).run()
    except (VersionExpired, CorruptFile):
        # A version went, or a purge rewrote it, between reading the catalog and leasing: read
        # the catalog again. Damage is still there the last time.
        if tries == 1:
            raise
    return _save(source, vault, models, step, tries=tries - 1)


@dataclass(slots=True)
class _Save:
    """One try to save."""

    source: Installation
    vault: Vault
    former: Mapping[str, str]
    """sha256 by key, of files that are here and good."""
    models: Path | None
    step: Step
    holds: Holds
    listed: dict[str, str] = field(default_factory=dict)
    copied: int = 0

    def run(self) -> Saved:
        catalog = f"catalog-{secrets.token_hex(16)}"
        with self.source.dump.reading() as tables:
            taken_at = self.source.roster.now()
            rows = self._write_tables(catalog, tables)
            heads, revision, sequences = tables.heads(), tables.revision, dict(tables.sequences)
            files = tables.files()
        reach("backup.catalog_written")
        self._copy_files(files)  # first, since what is parsed meanwhile is removed some day
        self._copy_versions(heads)
        if self.models is not None:
            self._copy_models(self.models)
        content = sums.dump(self.listed)
        card = Card(
            format=1,
            lamina=self.source.lamina,
            revision=revision,
            taken_at=taken_at,
            catalog=catalog,
            sums_sha256=self.vault.put(f"{catalog}/{sums.NAME}", [content]),
            tables=rows,
            sequences=sequences,
            versions=len(heads),
            models=[
                ModelCard(name=one.name, fingerprint=one.fingerprint)
                for one in self.source.encoders.cards()
            ],
        )
        self.holds.check()
        self.vault.switch(card)
        reach("backup.switched")
        removed = self.vault.sweep((*self.listed, card.sums_key))
        kept = len(self.listed) - len(rows) - self.copied
        return Saved(card=card, copied=self.copied, kept=kept, removed=removed)

    def _write_tables(self, catalog: str, tables: TablesNow) -> dict[str, int]:
        counts = {}
        for table in tables.names:
            key = f"{catalog}/{table}.jsonl.gz"
            self.listed[key], counts[table] = self.vault.put_rows(key, tables.rows(table))
        return counts

    def _copy_versions(self, heads: Sequence[Head]) -> None:
        for head in heads:
            self.holds.take(head.collection_id, head.version)
        sound: set[str] = set()
        for done, head in enumerate(heads, start=1):
            self._copy_version(head, sound)
            self.holds.check()
            self.step(done, len(heads))

    def _copy_version(self, head: Head, sound: set[str]) -> None:
        """Copy what one version needs, after comparing every file of it that is new."""
        files = self.source.files
        manifest = self.source.store.read_manifest(head)
        entries = {entry: files.contents(entry) for entry in sorted(files.needed(manifest))}
        sound |= {entry for entry, found in entries.items() if self._has(found)}
        damages = files.check(manifest, lambda _done, _total: None, known=sound)
        if damages:
            raise CorruptFile(
                f"{damages[0].key}: {damages[0].reason} `lamina fsck --repair` can rebuild it."
            )
        entries[""] = files.contents(files.manifest_key(head))
        for key, _ in chain.from_iterable(entries.values()):
            self._keep(f"{INDEX}/{key}", partial(files.read, key))

    def _has(self, files: Sequence[tuple[str, int]]) -> bool:
        return all(f"{INDEX}/{key}" in self.former for key, _ in files)

    def _copy_files(self, files: Sequence[Bytes]) -> None:
        """Copy the bytes of files that wait, or are kept."""
        if self.source.attic is None:
            return
        for one in files:
            key = f"{FILES}/{one.key}"
            try:
                self._keep(key, partial(parts_of, self.source.attic.blobs.path(one.key)))
            except FileNotFoundError as error:
                raise CorruptFile(f"{one.key}: the bytes of a file are missing.") from error
            if self.listed[key] != one.sha256:
                raise CorruptFile(f"{one.key}: the bytes of a file are damaged.")

    def _copy_models(self, folder: Path) -> None:
        for path in sorted(folder.glob("[!.]*/**/*")):
            if path.is_file():
                key = f"{MODELS}/{path.relative_to(folder).as_posix()}"
                self._keep(key, partial(parts_of, path))

    def _keep(self, key: str, read: Callable[[], Iterable[bytes]]) -> None:
        """Have a file in the backup, whose name never stands for another content."""
        if key in self.listed:
            return
        if key in self.former:
            self.listed[key] = self.former[key]
            return
        self.listed[key] = self.vault.put(key, read())
        self.copied += 1
        reach("backup.file_written")


def _trusted(vault: Vault) -> dict[str, str]:
    """Return the index and model files of the former backup that are still good, by key.

    What is damaged, or is there without a checksum because a save died, is copied again.
    """
    try:
        former = vault.card()
        listed = vault.sums(former) if former else {}
    except ArchiveRefused:
        return {}
    return {
        key: sha256
        for key, sha256 in listed.items()
        if key.startswith((f"{FILES}/", f"{INDEX}/", f"{MODELS}/")) and vault.is_good(key, sha256)
    }


def opened(vault: Vault) -> tuple[Card, dict[str, str]]:
    """Return what a backup says of itself, and the sha256 of every file of it by key.

    Raises:
        ArchiveRefused: there is none, or what says so is damaged.
    """
    card = vault.card()
    if card is None:
        raise ArchiveRefused(f"There is no backup in {vault.folder}.")
    listed = vault.sums(card)
    for table in card.tables:
        if card.table_key(table) not in listed:
            raise ArchiveRefused(f"{vault.folder}: the table {table} has no checksum.")
    return card, listed
