"""Remove deleted collections for good, once nobody can want them back."""

from shared.failpoints import reach
from shared.ports import Blobs, Discards, IndexFiles

_DAY_SECONDS = 86_400.0
_STEP = 500


def remove_next(
    discards: Discards, files: IndexFiles, *, deleted_days: float, blobs: Blobs | None = None
) -> bool:
    """Do a step of removing a collection deleted so long ago; whether there may be more to do.

    First what it holds in the catalog, then its files, and its own row last: whoever goes on
    after a crash finds by it what is left.
    """
    for collection_id in discards.doom(older_than_seconds=deleted_days * _DAY_SECONDS):
        if discards.strip(collection_id, limit=_STEP):
            reach("discard.stripped")
            return True
        for entry in files.entries(collection_id):
            if entry.attempt_id is not None:  # else it is none of ours
                files.remove(entry.key)
        if blobs is not None:
            blobs.remove_all(collection_id)
        reach("discard.files_removed")
        discards.forget(collection_id)
        return True
    return False
