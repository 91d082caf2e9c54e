"""The operator's `lamina fsck`."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

from shared.cli import configuration
from shared.cli.options import AsJson
from shared.cli.progress import bar
from shared.cli.terminal import Exit, answer, answer_json, answer_table, failures, say
from shared.words import counted

if TYPE_CHECKING:
    from shared.domain import CheckReport, Collection, RepairReport
    from shared.services import Services

# What this command works with takes a second and more to import; see `shared/cli/operating.py`.
# ruff: noqa: PLC0415


def fsck(
    collection: Annotated[
        str | None, typer.Argument(help="Which collection; all of them by default.")
    ] = None,
    *,
    sample: Annotated[
        int, typer.Option(min=0, help="Vectors to encode anew and compare; 0 needs no model.")
    ] = 100,
    repair: Annotated[
        bool, typer.Option("--repair", help="Rebuild what is damaged, and only that.")
    ] = False,
    json: AsJson = False,
) -> None:
    r"""Check that every kept version is what it was, while Lamina runs or not.

    Reads every file again and compares its checksum, compares the catalog with the manifests
    and these with the files, and encodes a sample of passages anew. With --repair, damaged
    files are rebuilt from others or from the catalog's texts; versions keep their numbers.
    Ends with 1 if something is wrong and was not repaired.

    \b
    lamina fsck
    lamina fsck notes --sample 1000
    lamina fsck notes --repair
    """
    from dataclasses import asdict

    with failures(), _services() as services:
        reports = [_check(services, one, sample) for one in _chosen(services, collection)]
        repairs = [_repair(services, one) for one in reports if repair and one.damages]
        mended = {key for one in repairs for key in one.repaired}
        if json:
            answer_json(
                {
                    "checked": [asdict(one) for one in reports],
                    "repaired": [asdict(one) for one in repairs],
                }
            )
        else:
            _print(reports, mended)
            _print_repairs(repairs)
        if any(one.where not in mended for report in reports for one in report.findings):
            raise SystemExit(Exit.FAILED)


@contextmanager
def _services() -> "Iterator[Services]":
    from shared import logs
    from shared.services import open_services

    logs.configure("critical", role="fsck")  # what it finds, the command says itself
    services = open_services(configuration.load())
    try:
        yield services
    finally:
        services.close()


def _chosen(services: "Services", name: str | None) -> "list[Collection]":
    if name is not None:
        return [services.collections.get(name)]
    return [one.collection for one in services.collections.stats()]


def _check(services: "Services", collection: "Collection", sample: int) -> "CheckReport":
    from shared.services import open_checker
    from shared.trust.checking import check

    with bar(f"checking {collection.name}") as told:
        return check(open_checker(services), collection, sample=sample, told=told)


def _repair(services: "Services", report: "CheckReport") -> "RepairReport":
    from shared.services import open_repairer
    from shared.trust.repairing import repair

    say(f"{report.collection}: repairing {len(report.damages):,} files")
    collection = services.collections.get(report.collection)
    return repair(open_repairer(services), collection, report.damages)


def _print(reports: "Sequence[CheckReport]", mended: set[str]) -> None:
    answer_table(
        ("collection", "versions", "entries read", "live vectors", "encoded anew", "findings"),
        [
            (
                one.collection,
                len(one.versions),
                one.entries,
                one.vectors,
                one.sampled,
                len(one.findings),
            )
            for one in reports
        ],
    )
    for report in reports:
        for note in report.skipped:
            answer(f"{report.collection}: {note}")
        for finding in report.findings:
            versions = ", ".join(map(str, finding.versions))
            state = " (repaired)" if finding.where in mended else ""
            answer(
                f"{report.collection}: {finding.kind}{state}: {finding.where}: {finding.words} "
                f"Versions: {versions}."
            )


def _print_repairs(repairs: "Sequence[RepairReport]") -> None:
    for one in repairs:
        answer(
            f"{one.collection}: {counted(len(one.repaired), 'file')} repaired, "
            f"{counted(len(one.versions), 'version')} rewritten; {counted(one.relaid, 'vector')} "
            f"laid out anew, {one.copied:,} copied, {one.encoded:,} encoded."
        )
        for words in one.lost:
            answer(f"{one.collection}: not repaired: {words}")
