"""`/operation/health`: room on the disk, and what `lamina doctor` says of this machine."""

import shutil
from collections.abc import Sequence
from typing import cast

from flask import current_app, render_template
from flask.sansio.blueprints import BlueprintSetupState

from shared.cli.doctor.examination import examine
from shared.cli.doctor.findings import Finding, Level
from shared.gauge import Gauge
from web.context import services
from web.pages.operation.tabs import blueprint


@blueprint.get("/health")
def health() -> str:
    """Show what was found when the installation was last examined, at most some seconds ago."""
    it = services()
    findings, seconds = _examinations().reading()
    return render_template(
        "operation/health.html",
        # What is wrong first.
        problems=[
            one for level in (Level.WRONG, Level.WARNING) for one in findings if one.level is level
        ],
        fine=[one for one in findings if one.level is Level.OK],
        seconds=seconds,
        wrong=sum(one.level is Level.WRONG for one in findings),
        warnings=sum(one.level is Level.WARNING for one in findings),
        disk=shutil.disk_usage(it.settings.data_dir),
        folder=it.settings.data_dir,
        floor=it.settings.storage.min_free_bytes,
        index_bytes=sum(one.bytes for one in it.collections.stats()),
        damages=it.chores.damages(),
    )


@blueprint.record_once
def _prepare(state: BlueprintSetupState) -> None:
    # Whoever asks within some seconds sees the same examination; none is made yet.
    settings = state.app.extensions["services"].settings
    state.app.extensions["examinations"] = Gauge(lambda: list(examine(settings, quick=True)))


def _examinations() -> Gauge[Sequence[Finding]]:
    return cast("Gauge[Sequence[Finding]]", current_app.extensions["examinations"])
