"""The operator's `lamina backup`."""

import os
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from shared.cli import configuration, data_folder
from shared.cli.options import AsJson
from shared.cli.progress import bar
from shared.cli.terminal import answer, answer_json, failures
from shared.product import product_version

if TYPE_CHECKING:
    from shared.transfer.archives.vaults import Card

# What these commands work with takes a second and more to import; see `shared/cli/operating.py`.
# ruff: noqa: PLC0415

_Folder = Annotated[Path, typer.Argument(help="A folder of its own.")]


def save_backup(
    folder: _Folder,
    *,
    models: Annotated[
        bool, typer.Option("--models", help="Copy the encoders too, not only their names.")
    ] = False,
    json: AsJson = False,
) -> None:
    r"""Save everything while Lamina runs: documents, versions, jobs, and what waits.

    Into the same folder again, only what is new is copied, and what no version needs any more
    is removed. If it stops in between, the former backup is as it was.

    \b
    lamina backup save /mnt/backup/lamina
    """
    from shared.services import open_installation, open_services
    from shared.transfer.backups import save

    with failures():
        settings = configuration.load()
        services = open_services(settings)
        try:
            with bar("saving") as step:
                done = save(
                    open_installation(services, lamina=product_version()),
                    folder,
                    models=settings.data_dir / "models" if models else None,
                    step=step,
                )
        finally:
            services.close()
        files = {"copied": done.copied, "kept": done.kept, "removed": done.removed}
        if json:
            answer_json(_described(done.card) | files)
        else:
            answer(_in_words(folder, done.card))
            answer(
                f"{done.copied:,} files copied, {done.kept:,} were there already, "
                f"{done.removed:,} removed"
            )


def check_backup(folder: _Folder, *, json: AsJson = False) -> None:
    r"""Read a whole backup again and compare every checksum.

    \b
    lamina backup check /mnt/backup/lamina
    """
    from shared.transfer.backups import check

    with failures():
        with bar("checking") as step:
            card = check(folder, step=step)
        if json:
            answer_json(_described(card))
        else:
            answer(f"{_in_words(folder, card)}: all of it is good")


def load_backup(folder: _Folder, *, json: AsJson = False) -> None:
    r"""Make an installation of a backup: into an empty data folder and an empty database.

    The backup may come from SQLite and go to PostgreSQL, or the other way round. What was under
    way is done again: waiting documents wait here.

    \b
    LAMINA_DATA_DIR=/srv/lamina lamina backup load /mnt/backup/lamina
    LAMINA_DATABASE_URL=postgresql+psycopg://… lamina backup load /mnt/backup/lamina
    """
    from shared.services import open_services, open_target
    from shared.transfer.loading import load

    with failures():
        settings = configuration.load()
        held = data_folder.lock(settings.data_dir)
        services = open_services(settings)
        try:
            with bar("loading") as step:
                done = load(folder, open_target(services), services.encoders, step=step)
        finally:
            services.close()
            os.close(held)
        if json:
            answer_json(_described(done.card) | {"files": done.files, "missing": done.missing})
            return
        answer(f"{_in_words(folder, done.card)}: loaded, {done.files:,} files")
        for name in done.missing:
            answer(f"{name} is not installed here: `lamina models pull {name}`")


def _described(card: "Card") -> dict[str, object]:
    return {
        "taken_at": card.taken_at,
        "lamina": card.lamina,
        "revision": card.revision,
        "versions": card.versions,
        "rows": card.tables,
        "models": [one.model_dump() for one in card.models],
    }


def _in_words(folder: Path, card: "Card") -> str:
    moment = datetime.fromtimestamp(card.taken_at, UTC)
    return (
        f"{folder}: {card.versions:,} versions and {sum(card.tables.values()):,} rows of "
        f"{moment:%Y-%m-%d %H:%M:%S} UTC"
    )
