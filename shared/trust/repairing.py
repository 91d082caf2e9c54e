"""Rebuild what is damaged, and only that, from what is left: other files, then the catalog.

A version is the set of its live vectors, which the catalog knows too; where they lie is free. So
a damaged version is put together anew: its sound segments stay; one whose search structure alone
is damaged is laid out anew; and what is then missing of its live vectors is copied from sound
segments of other versions, or encoded from the texts, into new segments. A lost manifest is a
version of which nothing is known but its live vectors: any segment that holds some may serve.
Nothing is taken for granted: a version is rewritten only if its live vectors in the end are those
of the catalog, and every file of it opens.

A repaired version keeps its number, its live vectors and their texts; scores are the same within
the precision of half floats.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import structlog

from shared.domain import (
    Attempt,
    ChoreKind,
    Collection,
    Damage,
    Head,
    Ids,
    KeptVersion,
    Manifest,
    RepairReport,
    Segment,
    Space,
    Vectors,
)
from shared.errors import Busy, CorruptFile, EncoderNotInstalled, UnencodableDocument
from shared.indexing.vectors import storable
from shared.ports import Collections, Encoder, Encoders, IndexFiles, IndexStore, Publications
from shared.trust.checking import head_of, touched
from shared.trust.reencoding import Texts, encode_anew
from shared.trust.rewriting import Press, Proposal, rewrite_until_settled
from shared.upkeep.chores import Duty, Shift

log = structlog.get_logger(__name__)

_SEGMENT_ROWS = 65_536
"""Vectors that are held in memory and written together."""

_ENCODED_TOGETHER = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Repairer:
    """What repairs work with."""

    shift: Shift
    collections: Collections
    publications: Publications
    store: IndexStore
    files: IndexFiles
    encoders: Encoders


def repair(repairer: Repairer, collection: Collection, damages: Sequence[Damage]) -> RepairReport:
    """Mend *damages*, as a check has just found them, in every kept version of a collection.

    What cannot be mended is left as it is and reported; the rest is mended.

    Raises:
        Busy: another process purges or repairs in this collection.
        Retryable: the catalog or the index cannot do it now.
    """
    with Duty(repairer.shift, collection.id, ChoreKind.REWRITE, "Repairing files.") as duty:
        if duty is None:
            name = collection.name
            raise Busy(f"Documents of {name!r} are being purged, or files repaired, just now.")
        attempt = repairer.publications.register(
            collection.id, vectors=0, claim_id=None, worker=repairer.shift.holder
        )
        workshop = _Workshop(repairer, collection, attempt, duty, {one.key for one in damages})
        press = Press(
            publications=repairer.publications,
            versions=repairer.shift.versions,
            store=repairer.store,
        )
        try:
            done = rewrite_until_settled(press, attempt, workshop.propose)
        finally:
            repairer.publications.abandon(attempt.id)
        report = workshop.report(done)
        if report.repaired:
            repairer.shift.chores.repaired(collection.id, report.repaired)
        duty.outcome = f"{len(report.versions)} versions repaired, {report.encoded} vectors encoded"
    log.info("repaired", collection=collection.name, files=report.repaired, lost=report.lost)
    return report


@dataclass(frozen=True, slots=True)
class _Version:
    """A kept version as it is found."""

    kept: KeptVersion
    head: Head
    manifest: Manifest | None
    """None where it is lost."""


@dataclass(slots=True)
class _Patch:
    """A version that is being put together anew."""

    version: _Version
    live: Ids
    """What must be live in the end."""
    segments: list[Segment] = field(default_factory=list)
    missing: Ids = field(default_factory=lambda: np.empty(0, dtype=np.int64))
    """Of these, what no segment so far holds."""

    @property
    def taken(self) -> Ids:
        """Of these, what a segment holds already."""
        return np.setdiff1d(self.live, self.missing, assume_unique=True)


@dataclass(slots=True)
class _Workshop:
    """One repair on its way; keeps what it made for the next proposal."""

    repairer: Repairer
    collection: Collection
    attempt: Attempt
    duty: Duty
    damaged: set[str]
    unlisted: set[str] = field(default_factory=set)
    """Damaged files of segments that no manifest lists any more, so that no check found them."""
    sound: dict[str, Segment | None] = field(default_factory=dict)
    """By id of a segment: itself, the same laid out anew, or None if its vectors are lost."""
    ids: dict[str, Ids] = field(default_factory=dict)
    """Every vector of the sound segments, by segment id."""
    made: list[Segment] = field(default_factory=list)
    """Segments written under the attempt."""
    rebuilt: list[Segment] = field(default_factory=list)
    """Of these, the ones with vectors that were missing."""
    finished: dict[Head, Manifest] = field(default_factory=dict)
    """What versions shall be, by what they were read as."""
    hopeless: dict[int, str] = field(default_factory=dict)
    """Vectors that cannot be had back, and why."""
    lost: dict[int, str] = field(default_factory=dict)
    """Versions that could not be repaired, and why."""
    relaid: int = 0
    copied: int = 0
    encoded: int = 0
    encoders: dict[int, Encoder] = field(default_factory=dict)
    """By the space that they encode for."""

    def propose(self) -> Proposal:
        """Return every kept version as it is, and the damaged ones as they shall be."""
        kept = self.repairer.shift.versions.kept(self.collection.id)
        live = [self._read(one) for one in kept if one.expired_at is None]
        known = _distinct(live)
        for place, segment in enumerate(known):
            self.duty.step(place, len(known))
            self._inspect(segment)
        hurt = [one for one in live if one.head not in self.finished and self._hurt(one)]
        patches = [self._patch(one, known) for one in hurt]
        self._rebuild(patches, known)
        self.lost = {}
        for patch in patches:
            self._finish(patch)
        heads = tuple(head_of(self.collection.id, one) for one in kept)
        return Proposal(
            heads=heads,
            manifests=tuple(self.finished[head] for head in heads if head in self.finished),
            new_segments=tuple(self.made),
        )

    def report(self, done: Proposal) -> RepairReport:
        """Say what was done."""
        needed: frozenset[str] = frozenset()
        for one in self.repairer.shift.versions.kept(self.collection.id):
            if one.expired_at is None:
                version = self._read(one)
                needed |= {self.repairer.files.manifest_key(version.head)}
                if version.manifest:
                    needed |= self.repairer.files.needed(version.manifest)
        return RepairReport(
            collection=self.collection.name,
            repaired=tuple(sorted(key for key in self.damaged if not touched([key], needed))),
            versions=tuple(manifest.version for manifest in done.manifests),
            relaid=self.relaid,
            copied=self.copied,
            encoded=self.encoded,
            lost=tuple(words for _, words in sorted(self.lost.items())),
        )

    # --- what there is ------------------------------------------------------------------------

    def _read(self, one: KeptVersion) -> _Version:
        head = head_of(self.collection.id, one)
        try:
            return _Version(one, head, self.repairer.store.read_manifest(head))
        except CorruptFile:
            self.damaged.add(self.repairer.files.manifest_key(head))
            return _Version(one, head, None)

    def _hurt(self, version: _Version) -> bool:
        if version.manifest is None:
            return True
        needed = self.repairer.files.needed(version.manifest)
        return touched(self.damaged, needed) or any(
            self.sound[segment.id] is None for segment in version.manifest.segments
        )

    def _inspect(self, segment: Segment) -> None:
        """Find out whether a segment still has its vectors; lay it out anew if that is all."""
        if segment.id in self.sound:
            return
        bare = replace(segment, deletes=None)
        try:
            kept = self._relay(bare) if self._folder_damaged(bare) else bare
            self.ids[kept.id] = self.repairer.store.all_ids(self.collection.id, kept)
        except CorruptFile as error:
            log.info("segment_lost", segment=segment.id, reason=str(error))
            self.sound[segment.id] = None
        else:
            self.sound[segment.id] = kept

    def _folder_damaged(self, bare: Segment) -> bool:
        damaged = self.damaged | self.unlisted
        return touched(damaged, self.repairer.files.needed(self._around([bare])))

    def _relay(self, segment: Segment) -> Segment:
        """Write a segment anew from its ids and vectors.

        Raises:
            CorruptFile: one of these is damaged.
        """
        copy = self.repairer.store.copy(
            self.attempt,
            segment,
            self._space(segment.space_id).metric,
            without=np.empty(0, dtype=np.int64),
            rule=self.collection.index,
            step=self.duty.step,
        )
        if copy is None:
            raise CorruptFile(f"{segment.id}: no vectors.")
        self.made.append(copy)
        self.relaid += copy.rows
        return copy

    # --- what it shall be ---------------------------------------------------------------------

    def _patch(self, version: _Version, known: Sequence[Segment]) -> _Patch:
        """Take for a version what is sound of its own segments; for a lost one, of all."""
        number = version.kept.version
        live = self.repairer.shift.versions.live_vectors(self.collection.id, number)
        patch = _Patch(version, live, missing=live)
        listed = version.manifest.segments if version.manifest else self._likely(number, known)
        for segment in listed:
            sound = self.sound[segment.id]
            if sound:
                self._take(patch, sound, segment if version.manifest else None)
        return patch

    def _likely(self, version: int, known: Sequence[Segment]) -> list[Segment]:
        """Return segments that may hold vectors of a lost version: the catalog remembers some."""
        of = self.collection.id
        by_id = {segment.id: segment for segment in known}
        for name, sha256 in self.repairer.shift.versions.segments_at(of, version).items():
            if name not in by_id:
                try:
                    by_id[name] = self.repairer.store.segment(of, name, sha256)
                except CorruptFile as error:
                    log.info("segment_lost", segment=name, reason=str(error))
                else:
                    self._examine(by_id[name])
                    self._inspect(by_id[name])
        return list(by_id.values())

    def _examine(self, segment: Segment) -> None:
        """Read every file of a segment that no manifest lists: an earlier repair may have left it.

        What is damaged of it is no damage of the index.
        """
        found = self.repairer.files.check(self._around([segment]), self.duty.step, known=set())
        self.unlisted |= {damage.key for damage in found}

    def _take(self, patch: _Patch, sound: Segment, listed: Segment | None) -> None:
        """Add a segment, with all dead that *patch* does not miss so far.

        As it was listed, if it and its delete set are sound and none of its live vectors was
        taken from another segment.
        """
        live = self._listed_live(sound, listed)
        if listed and live is not None and not np.isin(live, patch.taken).any():
            patch.segments.append(listed)
            patch.missing = np.setdiff1d(patch.missing, live, assume_unique=True)
            return
        here = np.intersect1d(self.ids[sound.id], patch.missing, assume_unique=True)
        if here.size:
            dead = np.setdiff1d(self.ids[sound.id], here, assume_unique=True)
            patch.segments.append(self.repairer.store.mark_dead(self.attempt, sound, dead))
            patch.missing = np.setdiff1d(patch.missing, here, assume_unique=True)

    def _listed_live(self, sound: Segment, listed: Segment | None) -> Ids | None:
        """Return what is live of a segment as it was listed; None if that cannot be known."""
        if not listed or sound.id != listed.id or self._dead_damaged(listed):
            return None
        try:
            return self.repairer.store.live_ids(self.collection.id, [listed])
        except CorruptFile as error:
            log.info("deletes_lost", segment=listed.id, reason=str(error))
            return None

    def _dead_damaged(self, segment: Segment) -> bool:
        needed = self.repairer.files.needed(self._around([segment]))
        return touched(self.damaged, needed)

    def _finish(self, patch: _Patch) -> None:
        """Put the manifest of a version together, or say why that cannot be."""
        for segment in self.rebuilt:
            self._take(patch, segment, None)
        if patch.missing.size:
            self._lose(patch, self._reasons(patch.missing))
            return
        manifest = self._manifest(patch)
        try:
            live = self.repairer.store.live_ids(self.collection.id, manifest.segments)
            self.repairer.store.open(manifest)
        except CorruptFile as error:
            self._lose(patch, f"more is damaged than was found: {error}")
            return
        if np.array_equal(live, patch.live):
            self.finished[patch.version.head] = manifest
        else:
            self._lose(
                patch,
                f"its files hold other vectors live than the catalog, {len(live):,} against "
                f"{len(patch.live):,}, and neither can be told to be right.",
            )

    def _lose(self, patch: _Patch, reason: str) -> None:
        number = patch.version.kept.version
        self.lost[number] = f"Version {number}: {reason}"

    def _manifest(self, patch: _Patch) -> Manifest:
        version = patch.version
        base = version.manifest or replace(
            self._empty(version.kept.space_id), version=version.kept.version, kind=version.kept.kind
        )
        return replace(base, attempt_id=self.attempt.id, segments=tuple(patch.segments))

    def _reasons(self, missing: Ids) -> str:
        reasons = sorted({self.hopeless[one] for one in missing.tolist()})
        count = "1 vector is" if len(missing) == 1 else f"{len(missing):,} vectors are"
        return f"{count} lost. {' '.join(reasons)}"

    def _around(self, segments: Sequence[Segment]) -> Manifest:
        """Return a manifest of some segments of one space, to ask the store about them."""
        return replace(self._empty(segments[0].space_id), segments=tuple(segments))

    def _empty(self, space_id: int) -> Manifest:
        """Return a manifest of a space that lists nothing."""
        return Manifest.empty(replace(self.collection, space=self._space(space_id)))

    def _space(self, space_id: int) -> Space:
        """Return a space of the collection: the live one, or that of older versions."""
        live = self.collection.space
        return live if space_id == live.id else self.repairer.collections.space(space_id)

    # --- what is missing ----------------------------------------------------------------------

    def _rebuild(self, patches: Sequence[_Patch], known: Sequence[Segment]) -> None:
        """Write new segments with the vectors that versions miss, as far as they can be had."""
        for space_id in sorted({patch.version.kept.space_id for patch in patches}):
            mine = [patch for patch in patches if patch.version.kept.space_id == space_id]
            of_space = [segment for segment in known if segment.space_id == space_id]
            self._rebuild_in(self._space(space_id), mine, of_space)

    def _rebuild_in(
        self, space: Space, patches: Sequence[_Patch], known: Sequence[Segment]
    ) -> None:
        have = [self.ids[segment.id] for segment in self.rebuilt]
        given_up = np.array(sorted(self.hopeless), dtype=np.int64)
        wanted = _union([patch.missing for patch in patches])
        missing = np.setdiff1d(wanted, _union([*have, given_up]), assume_unique=True)
        new = []
        for start in range(0, len(missing), _SEGMENT_ROWS):
            part = missing[start : start + _SEGMENT_ROWS]
            ids, vectors = self._recover(space, part, known)
            if ids.size:
                new.append(self._write(space, ids, vectors))
        if len(new) > 1 or (new and any(self._laid_out(one) for one in known)):
            new = [self._merge(space, new)]
        for segment in new:
            self.made.append(segment)
            self.rebuilt.append(segment)
            self.ids[segment.id] = self.repairer.store.all_ids(self.collection.id, segment)

    def _laid_out(self, segment: Segment) -> bool:
        """Whether a lost segment had a search structure of its own."""
        return self.sound[segment.id] is None and segment.layout is not None

    def _write(self, space: Space, ids: Ids, vectors: Vectors) -> Segment:
        return self.repairer.store.write_segment(
            self.attempt, space_id=space.id, metric=space.metric, ids=ids, vectors=vectors
        )

    def _merge(self, space: Space, segments: Sequence[Segment]) -> Segment:
        return self.repairer.store.merge(
            self.attempt,
            segments,
            space.metric,
            self.collection.index,
            self.duty.step,
        )

    def _recover(self, space: Space, missing: Ids, known: Sequence[Segment]) -> tuple[Ids, Vectors]:
        """Copy vectors from any segment that has them, encode the others.

        Returns:
            the ids that were found, rising, and their vectors, `(n, dimension)` float32.
        """
        vectors = np.zeros((len(missing), space.dimension), dtype=np.float32)
        found = np.zeros(len(missing), dtype=bool)
        for ids, some in self._pieces(space, missing, known):
            rows = np.searchsorted(missing, ids)
            vectors[rows], found[rows] = some, True
        return missing[found], vectors[found]

    def _pieces(
        self, space: Space, missing: Ids, known: Sequence[Segment]
    ) -> Iterator[tuple[Ids, Vectors]]:
        for segment in filter(None, (self.sound[one.id] for one in known)):
            here = np.intersect1d(self.ids[segment.id], missing, assume_unique=True)
            if here.size:
                yield here, self.repairer.store.vectors(self._around([segment]), here)
                self.copied += len(here)
                missing = np.setdiff1d(missing, here, assume_unique=True)
        if missing.size:
            yield from self._encode(space, missing)

    def _encode(self, space: Space, missing: Ids) -> Iterator[tuple[Ids, Vectors]]:
        try:
            if space.id not in self.encoders:
                self.encoders[space.id] = self.repairer.encoders.load(space.fingerprint)
        except (EncoderNotInstalled, CorruptFile) as error:
            why = f"They must be encoded anew, but {space.encoder} cannot be loaded: {error}"
            self.hopeless |= dict.fromkeys(missing.tolist(), why)
            return
        for start in range(0, len(missing), _ENCODED_TOGETHER):
            self.duty.step(start, len(missing))
            some = missing[start : start + _ENCODED_TOGETHER].tolist()
            texts = self.repairer.shift.versions.passages_of(some)
            why = "The catalog has no text for them any more."
            self.hopeless |= dict.fromkeys(set(some) - set(texts), why)
            yield from self._encode_or_halve(space, texts)

    def _encode_or_halve(self, space: Space, texts: Texts) -> Iterator[tuple[Ids, Vectors]]:
        """Encode together; if that fails, in halves, until the guilty passage is alone."""
        if not texts:
            return
        try:
            ids, vectors = encode_anew(self.encoders[space.id], space, texts)
        except UnencodableDocument as error:
            if len(texts) == 1:
                self.hopeless[next(iter(texts))] = f"A passage cannot be encoded: {error}"
                return
            items = sorted(texts.items())
            middle = len(items) // 2
            yield from self._encode_or_halve(space, dict(items[:middle]))
            yield from self._encode_or_halve(space, dict(items[middle:]))
            return
        fits = np.array([storable(row) for row in vectors])
        why = "A vector has values that half floats cannot hold."
        self.hopeless |= dict.fromkeys(ids[~fits].tolist(), why)
        self.encoded += int(fits.sum())
        yield ids[fits], vectors[fits]


def _distinct(versions: Sequence[_Version]) -> list[Segment]:
    """Return every segment that some version lists, those of the newest version first."""
    found: dict[str, Segment] = {}
    for version in reversed(versions):
        for segment in version.manifest.segments if version.manifest else ():
            found.setdefault(segment.id, segment)
    return list(found.values())


def _union(parts: Sequence[Ids]) -> Ids:
    """Return the ids of all *parts*, rising, each once."""
    return np.unique(np.concatenate([np.empty(0, dtype=np.int64), *parts]))
