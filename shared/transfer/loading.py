"""Make an installation of a backup."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from shared.domain import EncoderCard, Json
from shared.errors import ConfigurationError
from shared.failpoints import reach
from shared.ports import Dump, Encoders, Step
from shared.transfer.archives.drafts import PARTIAL, sync_folder
from shared.transfer.archives.vaults import FILES, INDEX, MODELS, Card, Vault, copy_new
from shared.transfer.backups import check


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """Where an installation is made of a backup."""

    dump: Dump
    index: Path
    models: Path
    files: Path | None = None
    """For the bytes of files; None to leave them out."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Loaded:
    """What a load did."""

    card: Card
    files: int
    missing: tuple[str, ...]
    """Encoders that are not installed here; `lamina models pull` installs them."""


def load(folder: Path, target: Target, encoders: Encoders, *, step: Step) -> Loaded:
    """Make an installation of a backup: into no database yet and no index.

    The files come first and the catalog last, in one transaction: until then there is no
    installation, and the same load can be run again.

    Raises:
        ArchiveRefused: any file of the backup is missing or damaged; nothing was changed.
        ConfigurationError: there is an installation already, or the backup is of a newer Lamina.
    """
    card = check(folder, step=lambda _done, _total: None)
    vault = Vault(folder)
    listed = vault.sums(card)
    if not target.dump.empty():
        raise ConfigurationError(
            "There is a catalog already: a backup is loaded into an empty database only. Set "
            "LAMINA_DATA_DIR (and LAMINA_DATABASE_URL, if you use it) to new ones."
        )
    try:
        _prepare(target.index, listed)
        files = _copy_files(vault, listed, INDEX, target.index, step)
        files += _copy_models(vault, listed, target.models)
        if target.files is not None:
            files += _copy_files(vault, listed, FILES, target.files, step)
    except OSError as error:
        raise ConfigurationError(f"{target.index}: {error.strerror or error}.") from error
    target.dump.load(_Archived(vault, card))
    return Loaded(card=card, files=files, missing=_missing(card, encoders.cards()))


class _Archived:
    """The tables of a backup; the port `Tables`."""

    def __init__(self, vault: Vault, card: Card) -> None:
        self._vault = vault
        self._card = card

    @property
    def revision(self) -> str:
        """The revision of the schema that the rows are in."""
        return self._card.revision

    @property
    def names(self) -> Sequence[str]:
        """Every table, each after those that it refers to."""
        return tuple(self._card.tables)

    @property
    def sequences(self) -> Mapping[str, int]:
        """The last id given, by table."""
        return self._card.sequences

    def rows(self, table: str) -> Iterator[Mapping[str, Json]]:
        """Yield the rows of a table."""
        return self._vault.rows(self._card, table)


def _prepare(index: Path, listed: Mapping[str, str]) -> None:
    """Make sure that the index holds nothing, or what this load has copied before it died."""
    for path in [one for one in index.rglob("*") if one.is_file()]:
        key = f"{INDEX}/{path.relative_to(index).as_posix()}"
        if path.suffix == PARTIAL:
            path.unlink()
        elif key not in listed:
            raise ConfigurationError(
                f"{path} belongs to another installation: a backup is loaded into an empty data "
                "folder only."
            )


def _copy_files(
    vault: Vault, listed: Mapping[str, str], kind: str, target: Path, step: Step
) -> int:
    wanted = {key: sha256 for key, sha256 in listed.items() if key.startswith(f"{kind}/")}
    for done, (key, sha256) in enumerate(wanted.items(), start=1):
        copy_new(vault.folder / key, target / key.removeprefix(f"{kind}/"), sha256)
        reach("load.file_written")
        step(done, len(wanted))
    return len(wanted)


def _copy_models(vault: Vault, listed: Mapping[str, str], target: Path) -> int:
    """Install the backup's encoders, each whole or not at all; those that are here stay."""
    models: dict[str, dict[str, str]] = {}
    for key, sha256 in listed.items():
        kind, _, rest = key.partition("/")
        if kind == MODELS:
            models.setdefault(rest.partition("/")[0], {})[key] = sha256
    copied = 0
    for name, files in models.items():
        if (target / name).exists():
            continue
        draft = target / f".{name}{PARTIAL}"
        for key, sha256 in files.items():
            copy_new(vault.folder / key, draft / key.split("/", 2)[2], sha256)
        draft.rename(target / name)
        sync_folder(target)
        copied += len(files)
    return copied


def _missing(card: Card, installed: Sequence[EncoderCard]) -> tuple[str, ...]:
    here = {one.fingerprint for one in installed}
    return tuple(one.name for one in card.models if one.fingerprint not in here)
