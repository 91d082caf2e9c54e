"""The operator's `lamina doctor`."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich.text import Text

from shared.cli import configuration
from shared.cli.options import AsJson
from shared.cli.terminal import Exit, answer, answer_json, failures, out
from shared.words import counted

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
    from shared.cli.doctor.examination import examine
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
