"""`/operation/health`: room on the disk, and what `lamina doctor` says of this machine."""

import shutil

from flask import render_template

from shared.cli.doctor.examination import examine
from shared.cli.doctor.findings import Level
from web.context import services
from web.pages.operation.tabs import blueprint


@blueprint.get("/health")
def health() -> str:
    """Examine the installation now; nothing is changed."""
    it = services()
    findings = list(examine(it.settings))
    return render_template(
        "operation/health.html",
        # What is wrong first.
        problems=[
            one for level in (Level.WRONG, Level.WARNING) for one in findings if one.level is level
        ],
        fine=[one for one in findings if one.level is Level.OK],
        wrong=sum(one.level is Level.WRONG for one in findings),
        warnings=sum(one.level is Level.WARNING for one in findings),
        disk=shutil.disk_usage(it.settings.data_dir),
        folder=it.settings.data_dir,
        floor=it.settings.storage.min_free_bytes,
        index_bytes=sum(one.bytes for one in it.collections.stats()),
        damages=it.chores.damages(),
    )
