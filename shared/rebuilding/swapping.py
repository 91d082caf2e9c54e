"""Make a new space the one that is searched, in one version.

What decides is read in one snapshot with the head, and every change of what is live moves the
head; so the commit, which compares the head, refuses when anything came in between. Every file of
the new space is opened first. Dying at any line leaves nothing, or files that no version names.
"""

from dataclasses import replace

import numpy as np
import structlog

from shared.domain import (
    Attempt,
    Collection,
    Commit,
    Completion,
    Manifest,
    Readiness,
    Undertaking,
    VersionKind,
)
from shared.errors import CorruptFile, Fenced
from shared.failpoints import reach
from shared.indexing.bench import Bench
from shared.indexing.publishing import commit_until_settled

log = structlog.get_logger(__name__)


class _NotYet(Exception):
    """Documents came or changed, so that the new space lacks some."""


def swap(bench: Bench, rebuild: Undertaking) -> bool:
    """Publish the new space as the next version; whether there is more to do at once.

    Where documents come faster than they can be caught up with, other work of the collection is
    held back for a while.

    Raises:
        Retryable: the catalog or the index cannot do it now.
    """
    ready = bench.renditions.readiness(rebuild.id)
    if ready is None or (ready.failed and not ready.forced):
        return False
    if ready.unfinished:
        bench.renditions.look_again(rebuild.id)
        return True
    attempt = bench.publications.register(
        rebuild.collection_id, vectors=0, claim_id=None, worker=bench.worker
    )
    try:
        commit, head = commit_until_settled(
            bench.publications, attempt, lambda: _fit(bench, rebuild, attempt)
        )
    except _NotYet:
        bench.renditions.hold(rebuild.id, seconds=bench.hold_seconds)
        bench.renditions.look_again(rebuild.id)
    except Fenced as error:  # it ended, or a purge took the attempt
        log.info("rebuild_fenced", rebuild=rebuild.id, reason=str(error))
    except CorruptFile as error:
        bench.renditions.trouble(rebuild.id, _in_words(error))
        log.warning("rebuild_damaged", rebuild=rebuild.id, error=str(error))
    else:
        reach("rebuild.swapped")
        failed = commit.completion.failed if commit.completion else 0
        log.info("rebuilt", rebuild=rebuild.id, version=head.version, left_out=failed)
    finally:
        bench.publications.abandon(attempt.id)  # which is nothing where it was committed
    return True


def _fit(bench: Bench, rebuild: Undertaking, attempt: Attempt) -> Commit:
    """Write the manifest that shows the new space at the newest head.

    Raises:
        _NotYet: it lacks a document of the head.
        Fenced: the rebuild has ended.
        CorruptFile: a file of it is damaged, or not what the catalog says.
    """
    ready = bench.renditions.readiness(rebuild.id)
    if ready is None:
        raise Fenced("The rebuild has ended.")
    if ready.unfinished or (ready.failed and not ready.forced):
        raise _NotYet
    collection = replace(bench.collections.by_id(rebuild.collection_id), space=rebuild.space)
    manifest = _manifest(bench, collection, attempt, ready)
    bench.store.open(manifest)
    file, sha256 = bench.store.write_manifest(manifest)
    reach("rebuild.manifest_written")
    return Commit(
        attempt=attempt,
        parent=ready.head,
        manifest=manifest,
        manifest_file=file,
        manifest_sha256=sha256,
        new_segments=manifest.segments,
        completion=Completion(
            rebuild_id=rebuild.id,
            parts=tuple(one.id for one in ready.parts),
            failed=ready.failed,
        ),
    )


def _manifest(bench: Bench, collection: Collection, attempt: Attempt, ready: Readiness) -> Manifest:
    """Return the parts as the next version, dead what is of no document that is live."""
    store, of = bench.store, collection.id
    segments = tuple(store.segment(of, one.id, one.sha256) for one in ready.parts)
    held = store.live_ids(of, segments)
    if np.setdiff1d(ready.live, held).size:
        raise CorruptFile("The new space lacks vectors that the catalog knows.")
    draft = replace(
        Manifest.empty(collection),
        version=ready.head.version + 1,
        kind=VersionKind.REBUILD,
        attempt_id=attempt.id,
        parent_sha256=ready.head.manifest_sha256 or None,
        segments=segments,
    )
    return store.with_deleted(draft, attempt, np.setdiff1d(held, ready.live))


def _in_words(error: CorruptFile) -> str:
    return f"A file of the new space is damaged: {error} Cancel the rebuild, and begin it again."
