"""Find out whether the index is what the catalog says, and its files what they were.

A check reads every file of every kept version past all caches, compares manifests, files and
catalog with each other, and encodes a sample of passages anew. What it finds damaged goes into
quarantine; nothing else is changed. `shared/trust/repairing.py` mends it.
"""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import structlog

from shared.domain import (
    CheckReport,
    ChoreKind,
    Collection,
    Damage,
    Finding,
    FindingKind,
    Head,
    Ids,
    KeptVersion,
    Manifest,
)
from shared.errors import (
    Busy,
    CorruptFile,
    EncoderNotInstalled,
    UnencodableDocument,
    VersionExpired,
)
from shared.ports import (
    Collections,
    Encoder,
    Encoders,
    IndexFiles,
    IndexStore,
    Reading,
    Records,
    Roster,
    Step,
)
from shared.trust.reencoding import encode_anew
from shared.upkeep.chores import Duty, Shift
from shared.uploads.clearing import Attic

log = structlog.get_logger(__name__)

_APART = 0.045
"""Most that a stored vector may be from one encoded anew, as a share of its length. Half floats
are about 0.0005 apart; for unit vectors this is a cosine of 0.999."""

_ENCODED_TOGETHER = 64
_DAY_SECONDS = 86_400.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Checker:
    """What checks work with."""

    shift: Shift
    collections: Collections
    reading: Reading
    records: Records
    roster: Roster
    store: IndexStore
    files: IndexFiles
    encoders: Encoders
    scrub_days: float
    attic: Attic | None = None
    """Where the bytes of files are; None where there are none."""


def check(
    checker: Checker, collection: Collection, *, sample: int, told: Step | None = None
) -> CheckReport:
    """Check every kept version of a collection, and quarantine what is damaged.

    Compares the catalog's row of each version with its manifest, the manifest with its files
    (all of them are read), the live vectors in the files with those in the catalog, and the
    head with the newest version; then *sample* random live vectors of the head with their
    passages encoded anew. Published, expired and rewritten versions may come meanwhile: what
    is reported holds for versions that are there at the end.

    Args:
        checker: the ports.
        collection: which one.
        sample: how many vectors; 0 needs no encoder.
        told: called with (versions done, versions in all).

    Raises:
        Busy: another process checks this collection.
        Retryable: the catalog or the index cannot be read just now.
    """
    detail = "every file" if not sample else f"every file, {sample} vectors"
    with Duty(checker.shift, collection.id, ChoreKind.SCRUB, detail) as duty:
        if duty is None:
            raise Busy(f"Collection {collection.name!r} is being checked by another process.")
        return _check(checker, collection, duty, sample=sample, told=told)


def scrub_next(checker: Checker) -> bool:
    """Read the files of the collection that has waited longest, if its turn has come.

    Returns:
        whether there was one.

    Raises:
        Retryable: the catalog or the index cannot be read just now.
    """
    for collection_id in _due(checker):
        collection = checker.collections.by_id(collection_id)
        with Duty(checker.shift, collection_id, ChoreKind.SCRUB, "every file") as duty:
            if duty is not None:
                _check(checker, collection, duty, sample=0, told=None)
                return True
    return False


def _due(checker: Checker) -> list[int]:
    """Return the collections whose last check is too long ago, the longest first."""
    latest = checker.roster.now() - checker.scrub_days * _DAY_SECONDS
    ended: list[tuple[float, int]] = []
    for collection_id in checker.reading.heads():
        last = checker.shift.chores.last(collection_id, ChoreKind.SCRUB)
        ended.append((last.ended_at or 0.0 if last else 0.0, collection_id))
    return [collection_id for at, collection_id in sorted(ended) if at < latest]


def _check(
    checker: Checker, collection: Collection, duty: Duty, *, sample: int, told: Step | None
) -> CheckReport:
    report = _Examination(checker, collection, duty, told).run(sample)
    _quarantine(checker, collection, report)
    count = len(report.findings)
    duty.outcome = (
        f"{len(report.versions)} versions, {report.entries} segments, delete sets and manifests: "
        + (f"{count} findings" if count else "all sound")
    )
    return report


def _quarantine(checker: Checker, collection: Collection, report: CheckReport) -> None:
    """Keep a list of what is damaged, and take off it what is sound again or gone."""
    chores = checker.shift.chores
    damaged = {damage.key for damage in report.damages}
    sound = [one.key for one in chores.damages(collection.id) if one.key not in damaged]
    if report.damages:
        chores.report(report.damages)
    if sound:
        chores.repaired(collection.id, sound)
    for finding in report.findings:
        log.error(
            "check.found",
            collection=collection.name,
            kind=str(finding.kind),
            where=finding.where,
            versions=finding.versions,
            words=finding.words,
        )


@dataclass(frozen=True, slots=True)
class _Seen:
    """What was seen of one version."""

    kept: KeptVersion
    manifest: Manifest | None
    findings: tuple[Finding, ...]


@dataclass(slots=True)
class _Examination:
    checker: Checker
    collection: Collection
    duty: Duty
    told: Step | None
    known: set[str] = field(default_factory=set)
    """Entries that were read."""
    damages: dict[str, Damage] = field(default_factory=dict)

    def run(self, sample: int) -> CheckReport:
        seen = self._all_versions()
        findings = [*self._files(seen), *(one for version in seen for one in version.findings)]
        sampled, wrong, skipped = self._sample(seen, sample)
        return CheckReport(
            collection=self.collection.name,
            versions=tuple(one.kept.version for one in seen),
            entries=len(self.known) + len(seen),
            vectors=sum(one.manifest.live for one in seen if one.manifest),
            sampled=sampled,
            findings=(*findings, *self._head(), *wrong, *self._originals()),
            skipped=skipped,
        )

    def _all_versions(self) -> list[_Seen]:
        """Look at every kept version; at those rewritten meanwhile again, as they are now."""
        newest = max((one.version for one in self._kept()), default=0)
        seen: dict[tuple[int, str], _Seen] = {}
        while True:
            kept = [one for one in self._kept() if one.version <= newest]
            new = [one for one in kept if _name(one) not in seen]
            if not new:
                return [seen[_name(one)] for one in kept]
            held = [one for one in new if self._hold(one)]
            for place, one in enumerate(held):
                self._say(place, len(held))
                seen[_name(one)] = self._version(one, (place, len(held)))
            self._say(len(held), len(held))

    def _kept(self) -> list[KeptVersion]:
        versions = self.checker.shift.versions.kept(self.collection.id)
        return [one for one in versions if one.expired_at is None]

    def _hold(self, one: KeptVersion) -> bool:
        try:
            self.duty.hold(one.version)
        except VersionExpired:
            return False
        return True

    def _say(self, done: int, total: int) -> None:
        self.duty.step(done, total)
        if self.told:
            self.told(done, total)

    def _version(self, one: KeptVersion, place: tuple[int, int]) -> _Seen:
        head = head_of(self.collection.id, one)
        try:
            manifest = self.checker.store.read_manifest(head)
        except CorruptFile as error:
            return _Seen(one, None, (self._unreadable(head, str(error)),))
        found = self.checker.files.check(
            manifest, lambda _done, _total: self.duty.step(*place), known=self.known
        )
        self.damages |= {damage.key: damage for damage in found}
        wrong = self._totals(one, manifest)
        if not touched(self.damages, self.checker.files.needed(manifest)):
            wrong += self._liveness(manifest)
        return _Seen(one, manifest, tuple(wrong))

    def _unreadable(self, head: Head, reason: str) -> Finding:
        key = self.checker.files.manifest_key(head)
        reason = reason.removeprefix(f"{key}: ")
        return Finding(
            kind=FindingKind.MANIFEST,
            versions=(head.version,),
            where=key,
            words=reason,
            damage=Damage(
                collection_id=self.collection.id, key=key, segment_id=None, reason=reason
            ),
        )

    def _files(self, seen: Sequence[_Seen]) -> list[Finding]:
        """Return each damaged file with the versions that need it."""
        needed = {
            one.kept.version: self.checker.files.needed(one.manifest)
            for one in seen
            if one.manifest
        }
        findings = []
        for key, damage in self.damages.items():
            versions = tuple(
                version for version, entries in needed.items() if touched([key], entries)
            )
            if versions:
                findings.append(
                    Finding(
                        kind=FindingKind.FILE,
                        versions=versions,
                        where=key,
                        words=damage.reason,
                        damage=damage,
                    )
                )
        return findings

    def _originals(self) -> list[Finding]:
        """Compare the bytes of files with their checksums; those removed meanwhile are fine."""
        attic = self.checker.attic
        if attic is None:
            return []
        wrong = {}
        for one in attic.leftovers.kept(self.collection.id):
            try:
                found = _sha256_of(attic.blobs.path(one.key))
            except FileNotFoundError:
                wrong[one.key] = "It is missing; send the file again."
                continue
            if found != one.sha256:
                wrong[one.key] = f"It is damaged: its sha256 is {found}. Send the file again."
        still = {one.key for one in attic.leftovers.kept(self.collection.id)} if wrong else set()
        return [
            Finding(kind=FindingKind.ORIGINAL, versions=(), where=f"uploads/{key}", words=words)
            for key, words in wrong.items()
            if key in still
        ]

    def _totals(self, kept: KeptVersion, manifest: Manifest) -> list[Finding]:
        """Compare a manifest with the catalog's row of its version."""
        row = self.checker.records.version(self.collection.name, manifest.version)
        space = self.checker.collections.space(kept.space_id)
        pairs = {
            "live vectors": (row.vectors, manifest.live),
            "segments": (row.segments, len(manifest.segments)),
            "bytes": (row.bytes, manifest.bytes),
            "kind": (row.kind, manifest.kind),
            "space": (space.id, manifest.space_id),
            "dimensions": (space.dimension, manifest.dimension),
            "metric": (space.metric, manifest.metric),
        }
        return [
            _about(
                FindingKind.TOTALS,
                manifest,
                f"{name}: {said} in the catalog, {listed} in the manifest.",
            )
            for name, (said, listed) in pairs.items()
            if said != listed
        ]

    def _liveness(self, manifest: Manifest) -> list[Finding]:
        """Compare the live vectors of the files with those of the catalog."""
        try:
            live = self.checker.store.live_ids(self.collection.id, manifest.segments)
        except CorruptFile as error:  # came to harm since its files were read
            return [_about(FindingKind.FILE, manifest, str(error))]
        findings = []
        twice = live[1:][live[1:] == live[:-1]]
        if twice.size:
            words = f"{_some(twice)} live in two of its segments."
            findings.append(_about(FindingKind.DOUBLE, manifest, words))
        said = self.checker.shift.versions.live_vectors(self.collection.id, manifest.version)
        for more, less, where in (
            (live, said, "in the files, but not in the catalog"),
            (said, live, "in the catalog, but not in the files"),
        ):
            odd = np.setdiff1d(more, less)
            if odd.size:
                words = f"{_some(odd)} live {where}."
                findings.append(_about(FindingKind.LIVENESS, manifest, words))
        return findings

    def _head(self) -> list[Finding]:
        """Compare the head with the newest version, unless it moves on just now."""
        before = self.checker.reading.head(self.collection.id)
        kept = self._kept()
        head = self.checker.reading.head(self.collection.id)
        newest = _name(kept[-1]) if kept else (0, "")
        if head != before or (head.version, head.manifest_sha256) == newest:
            return []
        where = f"version {head.version}"
        words = f"It is the head, but not the newest version as it is kept, which is {newest[0]}."
        return [Finding(kind=FindingKind.HEAD, versions=(newest[0],), where=where, words=words)]

    def _sample(
        self, seen: Sequence[_Seen], count: int
    ) -> tuple[int, tuple[Finding, ...], tuple[str, ...]]:
        """Encode some vectors of the newest version anew; return how many, and what is wrong."""
        newest = seen[-1].manifest if seen else None
        if not count or newest is None or not newest.live:
            return 0, (), ()
        if touched(self.damages, self.checker.files.needed(newest)):
            return 0, (), ("The sample was left out: files of the newest version are damaged.",)
        space = self.checker.collections.space(newest.space_id)
        try:
            encoder = self.checker.encoders.load(space.fingerprint)
        except (EncoderNotInstalled, CorruptFile) as error:
            words = f"No vector was encoded anew: {space.encoder} cannot be loaded ({error})."
            return 0, (), (words,)
        try:
            sampled, wrong, skipped = self._encode(encoder, newest, count)
        except CorruptFile:
            sampled, wrong, skipped = 0, [], []
            if _name(seen[-1].kept) in map(_name, self._kept()):
                raise
        if _name(seen[-1].kept) not in map(_name, self._kept()):
            return 0, (), (f"The sample was left out: version {newest.version} was rewritten.",)
        return sampled, tuple(wrong), tuple(skipped)

    def _encode(
        self, encoder: Encoder, manifest: Manifest, count: int
    ) -> tuple[int, list[Finding], list[str]]:
        live = self.checker.store.live_ids(self.collection.id, manifest.segments)
        chosen = np.random.default_rng().choice(live, min(count, len(live)), replace=False)
        wrong: list[Finding] = []
        skipped: list[str] = []
        for start in range(0, len(chosen), _ENCODED_TOGETHER):
            self._say(start, len(chosen))
            some = np.sort(chosen[start : start + _ENCODED_TOGETHER])
            try:
                wrong += self._compare(encoder, manifest, some)
            except UnencodableDocument as error:
                skipped.append(f"{_some(some)} not compared: {error}")
        return len(chosen), wrong, skipped

    def _compare(self, encoder: Encoder, manifest: Manifest, ids: Ids) -> list[Finding]:
        texts = self.checker.shift.versions.passages_of(ids.tolist())
        silent = np.setdiff1d(ids, np.array(sorted(texts), dtype=np.int64))
        findings = []
        if silent.size:
            words = f"{_some(silent)} live, but the catalog has no text behind them."
            findings.append(_about(FindingKind.TEXT, manifest, words))
        if not texts:
            return findings
        space = self.checker.collections.space(manifest.space_id)
        told, fresh = encode_anew(encoder, space, texts)
        stored = self.checker.store.vectors(manifest, told)
        length = np.maximum(np.linalg.norm(fresh, axis=1), np.finfo(np.float32).tiny)
        apart = np.linalg.norm(stored - fresh, axis=1) / length
        findings += [
            _about(
                FindingKind.VECTOR,
                manifest,
                f"Vector {one} is {far:.0%} of its length away from what "
                f"{space.encoder} makes of its passage.",
            )
            for one, far in zip(told.tolist(), apart.tolist(), strict=True)
            if not far <= _APART  # NaN too
        ]
        return findings


def head_of(collection_id: int, kept: KeptVersion) -> Head:
    """Return where the manifest of a kept version is."""
    return Head(
        collection_id=collection_id,
        version=kept.version,
        manifest_file=kept.manifest_file,
        manifest_sha256=kept.manifest_sha256,
        published_at=kept.published_at,
    )


def _sha256_of(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def touched(keys: Iterable[str], entries: frozenset[str]) -> bool:
    """Whether one of these files is, or is in, one of *entries*."""
    return any(key in entries or key.rpartition("/")[0] in entries for key in keys)


def _name(kept: KeptVersion) -> tuple[int, str]:
    return kept.version, kept.manifest_sha256


def _about(kind: FindingKind, manifest: Manifest, words: str) -> Finding:
    version = manifest.version
    return Finding(kind=kind, versions=(version,), where=f"version {version}", words=words)


def _some(ids: Ids) -> str:
    """Say how many vectors, and name the first: `3 vectors (17, …) are`."""
    if len(ids) == 1:
        return f"Vector {ids[0]} is"
    return f"{len(ids):,} vectors ({ids[0]}, …) are"
