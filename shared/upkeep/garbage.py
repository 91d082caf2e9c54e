"""Let versions expire, and remove what no kept version needs.

`shared/upkeep/remains.py` says what that is, and why removing it is safe at any time.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace

import structlog

from shared.domain import ChoreKind, Collection, Garbage, StoredEntry
from shared.errors import Busy
from shared.failpoints import reach
from shared.ports import Step
from shared.upkeep.chores import Duty
from shared.upkeep.remains import Dying, Keeper, find_remains
from shared.words import counted, size

log = structlog.get_logger(__name__)

_BATCH = 1000


def collect(keeper: Keeper, collection: Collection, *, dry_run: bool) -> Garbage:
    """Let versions go by the collection's rule; remove their files, other remains, and texts.

    Dying at any line leaves work for the next run and harms nothing: an expired version stays
    expired, a revoked attempt revoked, and files go one by one, each needed by no version.

    Args:
        keeper: the ports.
        collection: with its rule as it is now.
        dry_run: change nothing and return what a run now would remove. Texts to be forgotten
            are not counted then.

    Raises:
        Busy: another process is at it.
        CorruptFile: the manifest of a kept version is damaged, so it is not known what it
            needs. It is put into quarantine, and nothing is removed.
        Fenced: the lease was lost; what was removed till then is gone.
        Retryable: the catalog or the index cannot do it now, or the process shall end.
    """
    remains = find_remains(keeper, collection, expire=True)
    if dry_run:
        preview = _garbage(collection, remains.garbage, remains.revocable)
        return replace(preview, expired=remains.expiring, dry_run=True)
    if remains.none:
        return Garbage(collection=collection.name, forgotten=sum(_forget(keeper, collection)))
    with Duty(keeper.shift, collection.id, ChoreKind.COLLECT, "Removing garbage.") as duty:
        if duty is None:
            raise Busy(f"The garbage of {collection.name!r} is being collected just now.")
        expired = keeper.shift.versions.expire(collection.id, remains.expiring)
        reach("gc.expired")
        garbage = replace(sweep(keeper, collection, duty.step), expired=tuple(expired))
        for count in _forget(keeper, collection):
            garbage = replace(garbage, forgotten=garbage.forgotten + count)
            duty.step(len(garbage.removed), len(garbage.removed))
        duty.outcome = _words(garbage)
    return garbage


def sweep(keeper: Keeper, collection: Collection, step: Step) -> Garbage:
    """Remove every entry that no kept version needs; let no version expire.

    Raises:
        CorruptFile, Retryable: as for `collect`; and what *step* raises.
    """
    remains = find_remains(keeper, collection, expire=False)
    revoked = _revoke(keeper, remains.revocable)
    # What ended by itself meanwhile may have been published: the next run will know.
    ended = remains.revocable - revoked
    sure = [entry for entry in remains.garbage if entry.attempt_id not in ended]
    for done, entry in enumerate(sure):
        step(done, len(sure))
        keeper.files.remove(entry.key)
        log.info("garbage_removed", collection=collection.name, key=entry.key, bytes=entry.bytes)
        reach("gc.removed")
    left = remains.unneeded - {entry.key for entry in sure}
    _bury(keeper, collection, [one for one in remains.dying if one.key not in left])
    if remains.harmless:
        keeper.shift.chores.repaired(collection.id, remains.harmless)
    return _garbage(collection, sure, revoked)


def _revoke(keeper: Keeper, attempt_ids: frozenset[str]) -> frozenset[str]:
    """Fence off attempts whose writer is gone; return those that were still open."""
    revoked = set()
    for attempt_id in sorted(attempt_ids):
        if keeper.shift.versions.revoke(attempt_id):
            revoked.add(attempt_id)
            log.info("attempt_revoked", attempt=attempt_id)
        reach("gc.revoked")
    return frozenset(revoked)


def _bury(keeper: Keeper, collection: Collection, dying: Sequence[Dying]) -> None:
    if dying:
        keeper.shift.versions.bury(collection.id, [one.version for one in dying])
        reach("gc.buried")


def _forget(keeper: Keeper, collection: Collection) -> Iterator[int]:
    """Erase texts that no kept version holds; yield how many, batch by batch."""
    while count := keeper.shift.versions.forget(collection.id, limit=_BATCH):
        log.info("texts_forgotten", collection=collection.name, revisions=count)
        yield count
    while keeper.renditions.clear(collection.id, limit=_BATCH):
        yield 0


def _garbage(
    collection: Collection, entries: Sequence[StoredEntry], revoked: frozenset[str]
) -> Garbage:
    return Garbage(
        collection=collection.name,
        removed=tuple(entry.key for entry in entries),
        bytes=sum(entry.bytes for entry in entries),
        revoked=tuple(sorted(revoked)),
    )


def _words(garbage: Garbage) -> str:
    counts = (
        (len(garbage.expired), "version", "expired"),
        (len(garbage.removed), "file", f"removed ({size(garbage.bytes)})"),
        (garbage.forgotten, "text", "forgotten"),
    )
    said = [f"{counted(number, noun)} {what}" for number, noun, what in counts if number]
    return ", ".join(said) or "nothing to remove"
