"""Read files again that could not be read: after a limit was raised, say, or a fault repaired."""

from collections.abc import Collection

import structlog

from shared.domain import FilesRetried, Lane
from shared.uploads.receiving import Depot, check_room

log = structlog.get_logger(__name__)


def retry_files(depot: Depot, job_id: str, *, names: Collection[str] | None = None) -> FilesRetried:
    """Let the failed files of a job wait to be read again, all of them or those called so.

    A file goes on behind the documents of it that were stored. To do it again changes nothing.

    Raises:
        OutOfSpace, Overloaded: nothing new is taken just now; nothing was changed.
    """
    check_room(depot, Lane.BULK)
    done = depot.uploads.retry(job_id, names=names)
    if done.waiting or done.gone:
        log.info("files_retried", job=job_id, files=done.waiting, gone=len(done.gone))
    return done
