"""Find out what of the index no kept version needs: the reading half of garbage collection.

Whoever removes a file must be sure that nobody will ever need it. The order of reading makes
it so: first the disk, then the attempts, then what rebuilds have made so far, last the versions. A
file was there when the disk was read, so its attempt had registered by then, and when it was looked
up it was one of these:

- *Committed*. It published once, so every version it made is among the versions read later. A
  version published after that reading takes its files from the head it follows, or a restore
  from a version that is live, both compared in the transaction that publishes it: had it taken
  this one, some version read as live would have needed it. A rebuild takes its own, which were
  read before the versions: what was not among them any more, if it was not merged into another
  or given up, is in one of those.
- *Revoked* or *abandoned*, or revoked by us before the file goes. No transaction of it can
  commit any more, and none has.
- *Working*. Left alone, for a later run.
- *Unknown*. The attempt is older than the catalog, or the catalog is, after a restore from a
  backup. Removed only when old.

So nothing hangs on how long it takes from deciding to removing, nor on who else runs: two runs at
once, or one that stood still for an hour, remove only garbage. A version expires in a transaction
that spares what is leased, and one that has expired can be neither leased nor restored. The
grace is for readers of the newest version, who hold no lease while they open it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple

import structlog

from shared.domain import AttemptStanding, Collection, Head, KeptVersion, Manifest, StoredEntry
from shared.errors import CorruptFile, VersionConflict
from shared.ports import IndexFiles, IndexStore, Reading, Renditions, Roster
from shared.trust.damage import quarantine
from shared.upkeep.chores import Shift
from shared.upkeep.retention import expendable

log = structlog.get_logger(__name__)

_TRIES = 5
_DAY = 86_400.0
_ACTIVE = "active"


@dataclass(frozen=True, slots=True, kw_only=True)
class Keeper:
    """What garbage collection works with."""

    shift: Shift
    renditions: Renditions
    reading: Reading
    roster: Roster
    store: IndexStore
    files: IndexFiles
    grace_seconds: float
    """How long the files of an expired version stay."""
    orphan_days: float
    """Age from which a file is removed whose attempt the catalog does not know."""
    reported: set[str] = field(default_factory=set)
    """Foreign names that this process has written to the log."""


class Dying(NamedTuple):
    """A version that is expired, past its grace, and not buried yet."""

    version: int
    key: str
    """Of its manifest."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Remains:
    """What can be cleared away in a collection."""

    expiring: tuple[int, ...]
    """Versions that the rule lets go."""
    dying: tuple[Dying, ...]
    garbage: tuple[StoredEntry, ...]
    unneeded: frozenset[str]
    """Keys of all that no version needs: the garbage, and what may still become part of one."""
    revocable: frozenset[str]
    """Attempts whose writer is gone, to be fenced off before their entries are removed."""
    harmless: tuple[str, ...]
    """Damaged files that no version needs any more."""

    @property
    def none(self) -> bool:
        """Whether there is nothing to do."""
        return not (self.expiring or self.dying or self.garbage or self.harmless)


def find_remains(keeper: Keeper, collection: Collection, *, expire: bool) -> Remains:
    """Return what no kept version needs; with *expire*, as if the rule had been applied just now.

    Raises:
        CorruptFile: the manifest of a kept version is damaged (and in quarantine now), so it is
            not known what that version needs.
        Retryable: the catalog or the index cannot be read now.
    """
    for _ in range(_TRIES - 1):
        try:
            return _find(keeper, collection, expire=expire)
        except VersionConflict as conflict:
            log.debug("garbage_read_again", reason=str(conflict))
    return _find(keeper, collection, expire=expire)


def _find(keeper: Keeper, collection: Collection, *, expire: bool) -> Remains:
    # The order of these readings is what makes removing safe: see the module's docstring. The
    # clock comes first, so that all of what is past its grace was there when the disk was read.
    now = keeper.roster.now()
    entries = keeper.files.entries(collection.id)
    standings = _standings(keeper, entries)
    damages = keeper.shift.chores.damages(collection.id)
    parts = keeper.renditions.parts(collection.id)
    kept = keeper.shift.versions.kept(collection.id)

    expiring = _expiring(keeper, collection, kept, now) if expire else frozenset()
    kept = [replace(one, expired_at=now) if one.version in expiring else one for one in kept]
    dying = [one for one in kept if _past_grace(keeper, one, now)]
    needed = _needed(keeper, collection, [one for one in kept if not _past_grace(keeper, one, now)])
    needed |= keeper.files.needed(replace(Manifest.empty(collection), segments=tuple(parts)))
    unneeded = [entry for entry in entries if entry.key not in needed]
    _report_foreign(keeper, collection, unneeded)
    old = now - keeper.orphan_days * _DAY
    garbage = [entry for entry in unneeded if _is_garbage(entry, standings, old)]
    writers = {entry.attempt_id for entry in garbage}
    return Remains(
        expiring=tuple(sorted(expiring)),
        dying=tuple(Dying(one.version, _key(keeper, collection, one)) for one in dying),
        garbage=tuple(garbage),
        unneeded=frozenset(entry.key for entry in unneeded),
        revocable=frozenset(
            one.id for one in standings.values() if one.id in writers and one.state == _ACTIVE
        ),
        harmless=tuple(one.key for one in damages if not _in(one.key, needed)),
    )


def _standings(keeper: Keeper, entries: Sequence[StoredEntry]) -> Mapping[str, AttemptStanding]:
    writers = {entry.attempt_id for entry in entries if entry.attempt_id}
    return keeper.shift.versions.attempts(sorted(writers))


def _expiring(
    keeper: Keeper, collection: Collection, kept: Sequence[KeptVersion], now: float
) -> frozenset[int]:
    head = keeper.reading.head(collection.id)
    return frozenset(expendable(kept, collection.retention, head=head.version, now=now))


def _past_grace(keeper: Keeper, version: KeptVersion, now: float) -> bool:
    return version.expired_at is not None and now - version.expired_at >= keeper.grace_seconds


def _is_garbage(entry: StoredEntry, standings: Mapping[str, AttemptStanding], old: float) -> bool:
    """Whether an entry that no version needs may go; those changed before *old* are old."""
    if entry.attempt_id is None:
        return False  # not ours
    standing = standings.get(entry.attempt_id)
    return entry.modified_at < old if standing is None else not standing.working


def _needed(
    keeper: Keeper, collection: Collection, versions: Sequence[KeptVersion]
) -> frozenset[str]:
    """Return the keys of all that these versions need, their manifests too.

    Raises:
        CorruptFile: a manifest is missing or damaged.
        VersionConflict: it was, but it can be read now, or is not its version's any more.
    """
    needed: set[str] = set()
    for one in versions:
        try:
            manifest = keeper.store.read_manifest(_head(collection, one))
        except CorruptFile as error:
            _confirm(keeper, collection, one)
            raise CorruptFile(
                f"Nothing was removed: the manifest of version {one.version} of "
                f"{collection.name!r} is damaged, so it is not known which files that version "
                f"needs. {error.detail}"
            ) from error
        needed |= keeper.files.needed(manifest)
        needed.add(_key(keeper, collection, one))
    return frozenset(needed)


def _confirm(keeper: Keeper, collection: Collection, version: KeptVersion) -> None:
    """Put a manifest that could not be read into quarantine.

    Raises:
        VersionConflict: its version was rewritten or let go meanwhile, or it can be read now.
    """
    now = keeper.roster.now()
    named = {
        one.manifest_sha256
        for one in keeper.shift.versions.kept(collection.id)
        if one.version == version.version and not _past_grace(keeper, one, now)
    }
    if version.manifest_sha256 not in named:
        raise VersionConflict(f"Version {version.version} was rewritten or let go meanwhile.")
    head = _head(collection, version)
    if not quarantine(keeper.shift.chores, keeper.store, keeper.files, collection, head):
        raise VersionConflict(f"Version {version.version} can be read again.")


def _report_foreign(keeper: Keeper, collection: Collection, entries: Sequence[StoredEntry]) -> None:
    """Write names that are none of ours to the log, once in the life of this process."""
    foreign = {entry.key for entry in entries if entry.attempt_id is None} - keeper.reported
    if foreign:
        log.warning("garbage_not_ours", collection=collection.name, keys=sorted(foreign))
        keeper.reported.update(foreign)


def _in(key: str, entries: frozenset[str]) -> bool:
    """Whether a file is one of these entries, or lies in one that is a folder."""
    return key in entries or key.rpartition("/")[0] in entries


def _head(collection: Collection, version: KeptVersion) -> Head:
    return Head(
        collection_id=collection.id,
        version=version.version,
        manifest_file=version.manifest_file,
        manifest_sha256=version.manifest_sha256,
        published_at=version.published_at,
    )


def _key(keeper: Keeper, collection: Collection, version: KeptVersion) -> str:
    return keeper.files.manifest_key(_head(collection, version))
