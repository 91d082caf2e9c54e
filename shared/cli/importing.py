"""The operator's `lamina import`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from shared.cli import configuration
from shared.cli.options import AsJson
from shared.cli.progress import bar
from shared.cli.terminal import Exit, Failure, answer, answer_json, failures, states_in_words

if TYPE_CHECKING:
    from shared.services import Services
    from shared.transfer.importing import Imported

# What this command works with takes a second and more to import; see `shared/cli/operating.py`.
# ruff: noqa: PLC0415

ARCHIVES = (".tar", ".tar.gz", ".tgz")


def import_(
    file: Annotated[
        Path, typer.Argument(help="An archive of lamina export, JSON Lines or Parquet.")
    ],
    *,
    collection: Annotated[
        str | None,
        typer.Option(
            "--collection",
            "-c",
            help="Of an archive, the new collection's name; of rows, one that exists.",
        ),
    ] = None,
    vectors: Annotated[
        Path | None, typer.Option(help="A .npy of floats beside the rows, in their order.")
    ] = None,
    encoder_matches: Annotated[
        bool,
        typer.Option(
            "--encoder-matches",
            help="The collection's own encoder made the vectors; a sample is checked.",
        ),
    ] = False,
    json: AsJson = False,
) -> None:
    r"""Make a collection of an archive, or add rows of another program to a collection.

    Everything is checked before anything changes. If it stops in between, run it again: it goes
    on where it stopped. Rows have `id`, `text` or `title`, and if you like `metadata` and
    `vector`; with vectors, each text must fit one passage of the encoder, since its vector
    stands for all of it. Without, workers encode them. FAISS files and pickles are never read.

    \b
    lamina import notes.tar.gz --collection notes-copy
    lamina import corpus.parquet -c papers
    lamina import corpus.jsonl -c papers --vectors corpus.npy --encoder-matches
    """
    from shared import logs
    from shared.services import open_services

    with failures():
        settings = configuration.load()
        logs.configure("warning", role="import")  # else each part of the file would say a line
        services = open_services(settings)
        try:
            if file.name.endswith(ARCHIVES):
                if vectors is not None or encoder_matches:
                    raise Failure("An archive brings its own vectors.", Exit.USAGE)
                done = _import_archive(services, file, collection)
            else:
                done = _import_rows(services, file, collection, vectors, matches=encoder_matches)
        finally:
            services.close()
        _report(done, as_json=json)


def _import_archive(services: "Services", file: Path, name: str | None) -> "Imported":
    from shared.services import open_dock
    from shared.transfer.importing import import_archive

    with bar("importing") as step:
        return import_archive(
            open_dock(services),
            services.collections,
            services.encoders,
            file,
            name=name,
            limits=services.limits,
            step=step,
        )


def _import_rows(
    services: "Services", file: Path, name: str | None, vectors: Path | None, *, matches: bool
) -> "Imported":
    from shared.services import open_dock
    from shared.transfer.archives.rows import check_kind
    from shared.transfer.foreign import Consignment, import_rows

    check_kind(file)
    if name is None:
        raise Failure("Say with --collection where the rows shall go.", Exit.USAGE)
    with bar("importing") as step:
        return import_rows(
            open_dock(services),
            services.bell,
            services.encoders,
            services.collections.get(name),
            Consignment(path=file, vectors=vectors, encoder_matches=matches),
            limits=services.limits,
            step=step,
        )


def _report(done: "Imported", *, as_json: bool) -> None:
    counts = {state.value: count for state, count in done.counts.items()}
    if as_json:
        answer_json({"collection": done.collection, "counts": counts, "waiting": done.waiting})
        return
    answer(f"{done.collection}: {states_in_words(counts)}")
    if done.waiting:
        answer(f"{done.waiting:,} documents are with the workers; `lamina status` says how far.")
