"""The operator's `lamina doctor`."""

from collections.abc import Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING

from rich.text import Text

from shared.cli import configuration
from shared.cli.options import AsJson
from shared.cli.terminal import Exit, answer, answer_json, counted, failures, out
from shared.settings import Settings, origins

if TYPE_CHECKING:
    from shared.cli.doctor.findings import Finding

# What this command works with takes a second and more to import; see `shared/cli/operating.py`.
# ruff: noqa: PLC0415

_COLOURS = {"ok": "green", "warning": "yellow", "wrong": "red"}


def doctor(*, json: AsJson = False) -> None:
    r"""Check the installation, whether it runs or not, and say what to do.

    Looks at Python, packages, settings, the data folder, catalog, broker, models, port,
    processes, what waits and what was lost. Changes nothing. Ends with 1 if something is wrong.

    \b
    lamina doctor
    lamina doctor --json | jq '.[] | select(.level == "wrong")'
    """
    from dataclasses import asdict

    from shared import logs
    from shared.cli.doctor.findings import Level

    logs.configure("critical", role="doctor")  # what it finds, the command says itself
    with failures():
        findings = list(examine(configuration.load()))
        if json:
            answer_json([asdict(one) for one in findings])
        else:
            _print(findings)
        if any(one.level is Level.WRONG for one in findings):
            raise SystemExit(Exit.FAILED)


def examine(settings: Settings) -> "Iterator[Finding]":
    """Yield what is found, the foundations first."""
    from shared.cli.doctor import broker, catalog, folder, models, program, running
    from shared.cli.doctor.findings import Level, look
    from shared.services import open_services

    yield from look("python", program.check_python)
    yield from look("packages", program.check_packages)
    yield from look("settings", partial(program.check_settings, settings, origins()))
    yield from look("data folder", partial(folder.check_folder, settings))
    yield from look("models", partial(models.check_models, settings))
    yield from look("port", partial(running.check_port, settings))
    alive = False
    if settings.database_url is not None or (settings.data_dir / "catalog.db").exists():
        services = open_services(settings)
        try:
            found = list(look("catalog", partial(catalog.check_catalog, services)))
            yield from found
            if not any(one.level is Level.WRONG and one.subject == "catalog" for one in found):
                alive = bool(services.roster.alive(within_seconds=15))
                yield from look(
                    "models", partial(models.check_needed, settings, services.collections)
                )
                yield from look("processes", partial(running.check_processes, services))
                yield from look("backlog", partial(running.check_work, services))
                yield from look("index", partial(running.check_index, services))
        finally:
            services.close()
    yield from look("broker", partial(broker.check_broker, settings, running=alive))


def _print(findings: "Sequence[Finding]") -> None:
    width = max(len(one.subject) for one in findings)
    for one in findings:
        line = Text(f"{one.level.value:8}", style=_COLOURS[one.level.value])
        line.append(f"{one.subject:{width}}  {one.words}", style="default")
        out.print(line)
        if one.advice:
            answer(f"{'':8}{'':{width}}  -> {one.advice}")
    answer(_sum(findings))


def _sum(findings: "Sequence[Finding]") -> str:
    from shared.cli.doctor.findings import Level

    wrong = sum(one.level is Level.WRONG for one in findings)
    warnings = sum(one.level is Level.WARNING for one in findings)
    if not wrong and not warnings:
        return "All is well."
    return f"{counted(wrong, 'thing')} wrong, {counted(warnings, 'warning')}."
