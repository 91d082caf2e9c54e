"""Make one segment of several, or lay segments out anew, while everything else goes on.

Both read a version that is leased meanwhile, write their segments for as long as that takes, and
then fit them onto whatever head they meet: vectors deleted meanwhile are dead in the new segments
too. What another writer has taken out of the manifest is not put back. Dying at any line leaves
the inputs serving, and files that no version names.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace

from shared.domain import (
    Attempt,
    ChoreKind,
    Collection,
    Commit,
    Head,
    Manifest,
    Segment,
    VersionKind,
)
from shared.errors import CorruptFile, LaminaError, OutOfSpace, VersionExpired
from shared.failpoints import reach
from shared.indexing.publishing import commit_until_settled, read_manifest
from shared.trust.damage import quarantine
from shared.upkeep.chores import Duty
from shared.upkeep.rebasing import Overtaken, Replacement, Swap, merged, relaid
from shared.upkeep.upkeep import Upkeep
from shared.words import counted

_WRITTEN_SHARE = 2.0
"""Bytes that a merge may write for each byte it reads: inverted lists hold the codes once more; an
HNSW graph adds about a third."""


def merge_next(upkeep: Upkeep) -> bool:
    """Merge once in the first collection that needs it; whether there was one.

    Raises:
        OutOfSpace: a merge waits until there is more disk; no other had to be done.
        CorruptFile, Retryable, Fenced: the merge was abandoned; its inputs stay.
    """
    now = upkeep.roster.now()
    return _first(upkeep, lambda *found: _merge_in(upkeep, *found, now=now))


def relay_next(upkeep: Upkeep) -> bool:
    """Lay out anew what one collection's rule or a new format asks for; whether there was any.

    All of it is swapped in one version.

    Raises:
        OutOfSpace: it waits until there is more disk; no other had to be done.
        CorruptFile, Retryable, Fenced: it was abandoned; the old layouts stay.
    """
    return _first(upkeep, lambda *found: _relay_in(upkeep, *found))


def _first(upkeep: Upkeep, act: Callable[[Collection, Head, Manifest], bool]) -> bool:
    """Go through the collections until *act* has done something; whether it did.

    A collection in which it fails does not hold up the others; the first fault is raised if
    there was nothing else to do. Segments in quarantine are left alone.
    """
    fault: LaminaError | None = None
    for collection_id, head in upkeep.reading.heads().items():
        if not head.manifest_file:
            continue
        collection = upkeep.collections.by_id(collection_id)
        try:
            manifest = upkeep.manifest(head, collection)
            if act(collection, head, manifest):
                return True
        except CorruptFile as error:
            quarantine(upkeep.shift.chores, upkeep.store, upkeep.files, collection, head)
            fault = fault or error
        except LaminaError as error:
            fault = fault or error
    if fault:
        raise fault
    return False


def _merge_in(
    upkeep: Upkeep, collection: Collection, head: Head, manifest: Manifest, *, now: float
) -> bool:
    inputs = upkeep.merges(_sound(upkeep, manifest), rule=collection.index, now=now)
    if not inputs:
        return False
    _check_room(upkeep, inputs, "merge")
    vectors = sum(segment.live for segment in inputs)
    detail = f"{counted(len(inputs), 'segment')} of {vectors} vectors in version {head.version}"
    with Duty(upkeep.shift, collection.id, ChoreKind.MERGE, detail) as duty:
        if duty is None:
            return False
        return _Work(upkeep, collection, duty).merge(head, manifest, tuple(inputs))


def _relay_in(upkeep: Upkeep, collection: Collection, head: Head, manifest: Manifest) -> bool:
    inputs = upkeep.relays(_sound(upkeep, manifest), rule=collection.index)
    if not inputs:
        return False
    _check_room(upkeep, inputs, "relay")
    segments = counted(len(inputs), "segment")
    detail = f"{segments} of version {head.version} as {collection.index.policy}"
    with Duty(upkeep.shift, collection.id, ChoreKind.RELAY, detail) as duty:
        if duty is None:
            return False
        return _Work(upkeep, collection, duty).relay(head, manifest, tuple(inputs))


def _sound(upkeep: Upkeep, manifest: Manifest) -> list[Segment]:
    """Return the segments that are not in quarantine."""
    damages = upkeep.shift.chores.damages(manifest.collection_id)
    damaged = {damage.segment_id for damage in damages}
    return [segment for segment in manifest.segments if segment.id not in damaged]


def _check_room(upkeep: Upkeep, inputs: Sequence[Segment], what: str) -> None:
    try:
        upkeep.room.check(int(_WRITTEN_SHARE * sum(segment.bytes for segment in inputs)))
    except OutOfSpace as error:
        raise OutOfSpace(f"A {what} waits for disk space: {error}") from error


@dataclass(slots=True)
class _Work:
    """A merge or a relay under way."""

    upkeep: Upkeep
    collection: Collection
    duty: Duty

    def merge(self, head: Head, manifest: Manifest, inputs: tuple[Segment, ...]) -> bool:
        if not self._hold(head):
            return False
        with self._attempt() as attempt:
            (made,) = self._write(attempt, manifest, [inputs])
            if not self._publish(attempt, VersionKind.MERGE, merged(self.upkeep.store, made)):
                return False
        segments = counted(len(inputs), "segment")
        self.duty.outcome = f"{segments} became one of {made.output.live:,} vectors"
        return True

    def relay(self, head: Head, manifest: Manifest, inputs: tuple[Segment, ...]) -> bool:
        if not self._hold(head):
            return False
        with self._attempt() as attempt:
            made = self._write(attempt, manifest, [(segment,) for segment in inputs])
            if not self._publish(attempt, VersionKind.RELAY, relaid(self.upkeep.store, made)):
                return False
        self.duty.outcome = f"{counted(len(inputs), 'segment')} laid out anew: {_styles(made)}"
        return True

    def _hold(self, head: Head) -> bool:
        try:
            self.duty.hold(head.version)
        except VersionExpired as error:  # a newer version was published and this one collected
            self.duty.give_up(str(error))
            return False
        return True

    @contextmanager
    def _attempt(self) -> Iterator[Attempt]:
        """Register an attempt, and abandon it if it fails, so that its files can be removed."""
        publications = self.upkeep.publications
        attempt = publications.register(
            self.collection.id, vectors=0, claim_id=None, worker=self.upkeep.shift.holder
        )
        try:
            yield attempt
        except LaminaError:
            publications.abandon(attempt.id)
            raise

    def _write(
        self, attempt: Attempt, manifest: Manifest, groups: Sequence[tuple[Segment, ...]]
    ) -> list[Replacement]:
        """Write one segment for each group of inputs."""
        sizes = [sum(segment.live for segment in group) for group in groups]
        made: list[Replacement] = []
        for group, size in zip(groups, sizes, strict=True):
            before = sum(sizes[: len(made)])
            output = self.upkeep.store.merge(
                attempt,
                group,
                self.collection.space.metric,
                self.collection.index.share(size, manifest.live),
                self._part_of_all(before, size, sum(sizes)),
            )
            made.append(Replacement(group, output))
        self.duty.step(sum(sizes), sum(sizes))
        reach("merge.written")
        return made

    def _part_of_all(self, before: int, size: int, total: int) -> Callable[[int, int], None]:
        """Return a step that counts the vectors of one segment among those of all."""

        def step(done: int, whole: int) -> None:
            self.duty.step(before + size * done // max(whole, 1), total)

        return step

    def _publish(self, attempt: Attempt, kind: VersionKind, swap: Swap) -> bool:
        """Commit the swap on whatever head there is; false if that cannot be done any more."""
        try:
            commit_until_settled(
                self.upkeep.publications, attempt, lambda: self._fit(attempt, kind, swap)
            )
        except Overtaken as error:
            self.upkeep.publications.abandon(attempt.id)
            self.duty.give_up(str(error))
            return False
        reach("merge.committed")
        return True

    def _fit(self, attempt: Attempt, kind: VersionKind, swap: Swap) -> Commit:
        """Swap segments in the newest manifest, with the deletes that came meanwhile.

        Raises:
            Overtaken: it cannot be done any more.
        """
        publications, store = self.upkeep.publications, self.upkeep.store
        head, _ = publications.base(self.collection.id, [])
        base = read_manifest(store, head, self.collection)
        swapped, late = swap(base)
        draft = replace(
            swapped,
            version=head.version + 1,
            kind=kind,
            attempt_id=attempt.id,
            parent_sha256=head.manifest_sha256 or None,
        )
        manifest = store.with_deleted(draft, attempt, late) if late.size else draft
        file, sha256 = store.write_manifest(manifest)
        listed = {segment.id for segment in base.segments}
        return Commit(
            attempt=attempt,
            parent=head,
            manifest=manifest,
            manifest_file=file,
            manifest_sha256=sha256,
            new_segments=tuple(one for one in manifest.segments if one.id not in listed),
        )


def _styles(made: Sequence[Replacement]) -> str:
    """Name the layouts that came out."""
    found = {str(one.output.layout.policy) if one.output.layout else "flat" for one in made}
    return ", ".join(sorted(found))
