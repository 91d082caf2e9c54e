"""Remove stored bytes of files that nobody needs.

Bytes are removed first and forgotten second, so that whoever goes on after a crash finds by the
catalog what is left. What the catalog knows nothing of was left by a process that died between
storing and accepting; it goes when it is old.
"""

from dataclasses import dataclass

import structlog

from shared.failpoints import reach
from shared.ports import Blobs, Leftovers, Roster

log = structlog.get_logger(__name__)

_STEP = 500


@dataclass(frozen=True, slots=True)
class Attic:
    """Where the bytes of files are, and who needs them."""

    leftovers: Leftovers
    blobs: Blobs


def clear_away(
    attic: Attic, *, grace_seconds: float, failed_seconds: float, draft_seconds: float
) -> bool:
    """Do a step of removing what ended so long ago; whether there may be more.

    Args:
        attic: the ports.
        grace_seconds: how long bytes stay after their file ended, for a backup that names them.
        failed_seconds: how long bytes of a file that could not be read stay, to be retried.
        draft_seconds: how long files are kept that nobody confirmed.
    """
    attic.leftovers.give_up_drafts(older_than_seconds=draft_seconds)
    return _remove(attic, grace_seconds, max(failed_seconds, grace_seconds))


def clear_now(attic: Attic) -> None:
    """Remove all bytes that no text refers to any more: what was purged is gone at once.

    Of files that could not be read, too: nobody knows what they say.
    """
    while _remove(attic, 0.0, 0.0):
        pass


def _remove(attic: Attic, grace_seconds: float, failed_seconds: float) -> bool:
    unneeded = attic.leftovers.unneeded(
        older_than_seconds=grace_seconds, failed_seconds=failed_seconds, limit=_STEP
    )
    for _, key in unneeded:
        attic.blobs.remove(key)
        reach("upload.removed")
    if unneeded:
        attic.leftovers.removed([upload_id for upload_id, _ in unneeded])
        log.info("bytes_removed", files=len(unneeded))
    return len(unneeded) == _STEP


def remove_orphans(attic: Attic, roster: Roster, *, older_than_seconds: float) -> bool:
    """Remove bytes that the catalog knows nothing of, once they are old; never more at once."""
    latest = roster.now() - older_than_seconds
    old = [key for key, changed_at in attic.blobs.entries() if changed_at < latest]
    known = attic.leftovers.known(old)
    for key in old:
        if key not in known:
            attic.blobs.remove(key)
            log.info("orphan_removed", key=key)
    return False
