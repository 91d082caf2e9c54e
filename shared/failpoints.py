"""Named places where a test can make the process die, so that each crash is reproducible.

`LAMINA_FAIL_AT=publish.after_segment:3` ends the process, as SIGKILL would, the third time it
gets there. Nothing is armed otherwise, and `reach` costs one comparison.
"""

import os
import signal

POINTS = frozenset(
    {
        "index.claimed",
        "index.encoded",
        "publish.registered",
        "publish.segment_written",
        "publish.manifest_written",
        "publish.committed",
        "merge.written",
        "merge.committed",
        "restore.manifest_written",
        "restore.committed",
        "rewrite.written",
        "rewrite.committed",
        "rebuild.registered",
        "rebuild.part_written",
        "rebuild.kept",
        "rebuild.merge_written",
        "rebuild.merged",
        "rebuild.manifest_written",
        "rebuild.swapped",
        "gc.expired",
        "gc.revoked",
        "gc.removed",
        "gc.buried",
        "discard.stripped",
        "discard.files_removed",
        "import.accepted",
        "import.segment_written",
        "backup.catalog_written",
        "backup.file_written",
        "backup.switched",
        "load.file_written",
        "intake.moved",
        "intake.committed",
        "web.accepted",
        "webhook.sent",
        "map.drawn",
        "upload.kept",
        "upload.claimed",
        "upload.stored",
        "upload.ended",
        "upload.removed",
    }
)


class _Armed:
    point: str | None = None
    left = 0


def arm(spec: str) -> None:
    """Make the process die at *spec*, `point` or `point:n` (the n-th time).

    Raises:
        ValueError: no such point.
    """
    point, _, count = spec.partition(":")
    if point not in POINTS:
        msg = f"No failure point is called {point!r}; there are {', '.join(sorted(POINTS))}."
        raise ValueError(msg)
    _Armed.point, _Armed.left = point, int(count or 1)


def reach(point: str) -> None:
    """Die here if armed for *point*."""
    if _Armed.point != point:
        return
    _Armed.left -= 1
    if _Armed.left <= 0:
        os.kill(os.getpid(), signal.SIGKILL)
