"""The operator's `lamina export`."""

from pathlib import Path
from typing import Annotated

import typer

from shared.cli import configuration
from shared.cli.importing import ARCHIVES
from shared.cli.options import AsJson
from shared.cli.progress import bar
from shared.cli.terminal import Exit, Failure, answer, answer_json, failures
from shared.product import product_version
from shared.words import size

# What this command works with takes a second and more to import; see `shared/cli/operating.py`.
# ruff: noqa: PLC0415


def export(
    collection: Annotated[str, typer.Argument(help="Which collection.")],
    file: Annotated[Path, typer.Argument(help="A new .tar, .tar.gz or .tgz.")],
    *,
    version: Annotated[
        str | None, typer.Option(help="Number or tag; by default the newest version.")
    ] = None,
    json: AsJson = False,
) -> None:
    r"""Write a collection, texts and vectors, into a file that another Lamina can import.

    Lamina may run meanwhile; the file shows one version. Checksums are inside.

    \b
    lamina export notes notes.tar.gz
    lamina export notes notes-v12.tar --version 12
    """
    from dataclasses import asdict

    from shared.services import open_services, open_shelf
    from shared.transfer.exporting import export_collection

    with failures():
        if not file.name.endswith(ARCHIVES):
            # `lamina import` goes by the name.
            raise Failure(f"{file}: call it .tar, .tar.gz or .tgz.", Exit.USAGE)
        services = open_services(configuration.load())
        try:
            with bar("exporting") as step:
                done = export_collection(
                    open_shelf(services),
                    collection,
                    file,
                    ref=version,
                    lamina=product_version(),
                    step=step,
                )
        finally:
            services.close()
        if json:
            answer_json(asdict(done) | {"file": str(file)})
        else:
            answer(
                f"{file}: {done.documents:,} documents and {done.vectors:,} vectors of version "
                f"{done.version} of {done.collection}, {size(done.bytes)}"
            )
            if done.originals:
                answer(
                    f"The files that {done.originals:,} of them were read from are not in it, only "
                    "their names and where in them each passage stands. `lamina backup save` takes "
                    "the files as well."
                )
