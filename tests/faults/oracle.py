"""What must be true of an index at any moment, against a plain dictionary of what it should hold.

Each check reads with a store that has nothing open yet, so every checksum is verified. What a
check finds wrong begins with a tag, such as `[live-set]`, by which `./run mutants` knows it again.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

import numpy as np

from shared.domain import (
    Chunking,
    Hit,
    Ids,
    KeptVersion,
    Manifest,
    Passage,
    PassageRecord,
    State,
    Vectors,
)
from shared.errors import CorruptFile, VersionExpired
from shared.indexing.vectors import prepare
from shared.ports import Snapshot
from tests.fakes.encoder import HashEncoder
from tests.keeping import head_of, keys_on_disk, live_versions, needed_keys
from tests.worlds import World

_NEAR = 1e-4
"""Scores are compared so closely: FAISS rounds some values to fp16 otherwise than numpy does."""


@dataclass(frozen=True, slots=True)
class Said:
    """What one document says."""

    text: str
    title: str = ""
    note: int = 0
    """Its metadata."""


Shelf: TypeAlias = Mapping[str, Said]
"""The documents of one version by id."""

Model: TypeAlias = Mapping[int, Shelf]
"""The documents of every version that was ever published, by its number."""


@dataclass(frozen=True, slots=True)
class View:
    """One kept version as a reader sees it who trusts nothing."""

    kept: KeptVersion
    manifest: Manifest
    snapshot: Snapshot
    ids: Ids


@dataclass(slots=True)
class Oracle:
    """Compares a world with a dictionary; passages are encoded once each."""

    encoder: HashEncoder = field(default_factory=HashEncoder)
    _passages: dict[tuple[Said, Chunking], tuple[Passage, ...]] = field(default_factory=dict)
    _vectors: dict[str, Vectors] = field(default_factory=dict)

    def check(
        self, world: World, model: Model, *, query: str, k: int, only: Iterable[int] | None = None
    ) -> None:
        """Assert all that must be true of every kept version (or of those in *only*)."""
        check_no_gaps(world, model)
        check_one_head(world)
        check_kept_files(world)
        wanted = None if only is None else set(only)
        kept = live_versions(world)
        views = look(world, [one for one in kept if wanted is None or one.version in wanted])
        records = world.reading.passages(sorted({int(one) for view in views for one in view.ids}))
        for view in views:
            shelf = model[view.kept.version]
            rule = world.collections.space(view.manifest.space_id).chunking
            self.check_live_set(view, records, shelf, rule)
            self.check_texts(world, view, records, shelf)
            check_catalog(world, view, shelf)
            self.check_top_k(world, view, records, query=query, k=k)

    def check_live_set(
        self, view: View, records: Mapping[int, PassageRecord], shelf: Shelf, rule: Chunking
    ) -> None:
        """Assert that just the passages of *shelf* are live, each once, as *rule* cuts them."""
        number = view.kept.version
        unknown = [int(one) for one in view.ids if int(one) not in records]
        assert not unknown, f"[live-set] version {number}: vectors {unknown} have no text"
        found = Counter(
            (one.external_id, one.start, one.end)
            for one in (records[int(vector_id)] for vector_id in view.ids)
        )
        wanted = Counter(
            (name, passage.start, passage.end)
            for name, said in shelf.items()
            for passage in self.passages(said, rule)
        )
        assert found == wanted, (
            f"[live-set] version {number}: missing {sorted(wanted - found)[:5]}, "
            f"too many {sorted(found - wanted)[:5]}"
        )

    def check_texts(
        self, world: World, view: View, records: Mapping[int, PassageRecord], shelf: Shelf
    ) -> None:
        """Assert that every document says at this version what it said when that was published."""
        number = view.kept.version
        for vector_id in view.ids:
            record = records[int(vector_id)]
            said = shelf[record.external_id]
            found = (record.title, record.passage, record.metadata)
            wanted = (said.title, said.text[record.start : record.end], {"note": said.note})
            assert found == wanted, (
                f"[texts] version {number}: {record.external_id} says {found}, not {wanted}"
            )
        documents = world.versions.documents_at(
            view.manifest.collection_id, number, after=None, limit=10_000
        )
        told = {
            one.id: Said(one.text, one.title, int(str(one.metadata["note"]))) for one in documents
        }
        assert told == shelf, f"[texts] version {number}: the catalog says {told}, not {shelf}"

    def check_top_k(
        self,
        world: World,
        view: View,
        records: Mapping[int, PassageRecord],
        *,
        query: str,
        k: int,
    ) -> None:
        """Assert that a search finds the best *k*: all of them exactly, as many approximately."""
        number, asked = view.kept.version, self.vector(query)
        if not len(view.ids):
            found = [
                view.snapshot.search(asked[None], k, exact=one)[1].size for one in (True, False)
            ]
            assert found == [0, 0], f"[top-k] version {number} is empty, but something is found"
            return
        inputs = [self.input(world, records[int(one)]) for one in view.ids]
        stored = np.stack([self.vector(one) for one in inputs]).astype(np.float16)
        truth = stored.astype(np.float32) @ asked
        ranking = _Ranking(view, dict(zip(view.ids.tolist(), truth.tolist(), strict=True)), k)
        scores, ids = view.snapshot.search(asked[None], k, exact=True)
        ranking.check("[top-k]", scores[0].tolist(), ids[0].tolist())
        ranking.check_nothing_better(scores[0].tolist(), ids[0].tolist())
        ranking.check_ties(ids[0].tolist(), dict(zip(view.ids.tolist(), inputs, strict=True)))
        scores, ids = view.snapshot.search(asked[None], k)
        ranking.check("[approximate]", scores[0].tolist(), ids[0].tolist())

    def check_hits(
        self,
        number: int,
        hits: Sequence[Hit],
        shelf: Shelf,
        *,
        rule: Chunking,
        query: str,
        k: int,
        exact: bool,
    ) -> None:
        """Assert that a search through the front door found documents as they were then."""
        asked = self.vector(query)
        best = {
            name: max(
                float(self.vector(one.input).astype(np.float16).astype(np.float32) @ asked)
                for one in self.passages(said, rule)
            )
            for name, said in shelf.items()
        }
        names = [hit.id for hit in hits]
        assert len(set(names)) == len(names) == min(k, len(shelf)), (
            f"[hits] version {number}: {names} of {len(shelf)} documents, asked for {k}"
        )
        for hit in hits:
            said = shelf.get(hit.id)
            assert said is not None, f"[hits] version {number}: {hit.id} is not part of it"
            told = (hit.title, hit.passage, hit.metadata)
            wanted = (said.title, said.text[hit.start : hit.end], {"note": said.note})
            assert told == wanted, f"[texts] version {number}: {hit.id} says {told}, not {wanted}"
        if exact:
            scores = [hit.score for hit in hits]
            wanted_scores = sorted(best.values(), reverse=True)[:k]
            assert np.allclose(scores, wanted_scores, atol=_NEAR), (
                f"[hits] version {number}: {query!r} scores {scores}, not {wanted_scores}"
            )

    def passages(self, said: Said, rule: Chunking) -> tuple[Passage, ...]:
        """Return how a document is cut."""
        if (said, rule) not in self._passages:
            chunked = self.encoder.chunk(said.title, said.text, rule)
            self._passages[said, rule] = chunked.passages
        return self._passages[said, rule]

    def input(self, world: World, record: PassageRecord) -> str:
        """Return what the encoder read of a passage."""
        return f"{record.title}\n\n{record.passage}" if record.title else record.passage

    def vector(self, text: str) -> Vectors:
        """Return the unit vector of a text, `(dimension,)`."""
        if text not in self._vectors:
            vectors, _ = self.encoder.encode_queries([text])
            self._vectors[text] = prepare(vectors, self.encoder.card.metric)[0]
        return self._vectors[text]


@dataclass(frozen=True, slots=True)
class _Ranking:
    """What a search of one version may find."""

    view: View
    truth: Mapping[int, float]
    """Score of every live vector."""
    k: int

    def check(self, tag: str, scores: Sequence[float], ids: Sequence[int]) -> None:
        """Assert: as many as there are, live, each once, with true scores, best first."""
        where = f"{tag} version {self.view.kept.version}"
        wanted = min(self.k, len(self.truth))
        assert len(ids) == wanted, f"{where}: {len(ids)} hits, not {wanted}"
        dead = sorted(set(ids) - self.truth.keys())
        assert not dead, f"{where}: {dead} are not live"
        assert len(set(ids)) == len(ids), f"{where}: one was found twice, {ids}"
        wrong = [
            (one, score, self.truth[one])
            for one, score in zip(ids, scores, strict=True)
            if abs(score - self.truth[one]) > _NEAR
        ]
        assert not wrong, f"{where}: wrong scores (id, found, true): {wrong[:5]}"
        ranked = list(zip((-score for score in scores), ids, strict=True))
        assert ranked == sorted(ranked), f"{where}: not best first, ties by id: {ranked[:10]}"

    def check_nothing_better(self, scores: Sequence[float], ids: Sequence[int]) -> None:
        """Assert that what was not found scores no better than the last hit."""
        others = self.truth.keys() - set(ids)
        better = [one for one in others if self.truth[one] > scores[-1] + _NEAR]
        assert not better, (
            f"[top-k] version {self.view.kept.version}: {better[:5]} are better than the last hit"
        )

    def check_ties(self, ids: Sequence[int], inputs: Mapping[int, str]) -> None:
        """Assert that of vectors of one text, which are equal, those with the lowest ids win."""
        found = set(ids)
        alike: dict[str, list[int]] = {}
        for one in sorted(inputs):
            alike.setdefault(inputs[one], []).append(one)
        for group in alike.values():
            hits = [one for one in group if one in found]
            assert hits == group[: len(hits)], (
                f"[top-k] version {self.view.kept.version}: of equals {group[:9]} found {hits[:9]}"
            )


def look(world: World, versions: Sequence[KeptVersion]) -> list[View]:
    """Open versions with a store that has nothing open yet."""
    store = world.fresh_store()
    views = []
    for one in versions:
        try:
            manifest = store.read_manifest(head_of(world, one))
            snapshot = store.open(manifest)
        except CorruptFile as error:
            raise AssertionError(f"[kept-files] version {one.version}: {error}") from error
        views.append(View(one, manifest, snapshot, snapshot.ids()))
    return views


def check_no_gaps(world: World, model: Model) -> None:
    """Assert that versions are numbered 0, 1, 2, … and that the dictionary knows them all."""
    numbers = sorted(one.version for one in world.records.versions("c", limit=10_000))
    published = sorted({0, *model})
    assert numbers == published == list(range(len(numbers))), (
        f"[no-gaps] versions {numbers}, published {published}"
    )


def check_one_head(world: World) -> None:
    """Assert that the head is the newest version, and live."""
    head, kept = world.head(), live_versions(world)
    if not head.version:
        assert not kept, f"[one-head] version 0 is the head of {len(kept)} versions"
        return
    newest = kept[-1] if kept else None
    assert newest, f"[one-head] version {head.version} is the head, but no version is kept"
    told = (newest.version, newest.manifest_file, newest.manifest_sha256)
    wanted = (head.version, head.manifest_file, head.manifest_sha256)
    assert told == wanted, f"[one-head] the head is {wanted}, the newest version {told}"


def check_kept_files(world: World) -> None:
    """Assert that whatever a kept version names is there."""
    try:
        missing = needed_keys(world) - keys_on_disk(world)
    except CorruptFile as error:
        raise AssertionError(f"[kept-files] {error}") from error
    assert not missing, f"[kept-files] files of kept versions are gone: {sorted(missing)}"


def check_catalog(world: World, view: View, shelf: Shelf) -> None:
    """Assert that the catalog's mirror of a version is what its files say."""
    number, collection_id = view.kept.version, view.manifest.collection_id
    mirrored = world.versions.live_vectors(collection_id, number)
    assert np.array_equal(mirrored, view.ids), (
        f"[mirror] version {number}: the catalog holds {sorted(set(mirrored) - set(view.ids))} "
        f"live that the files do not, and misses {sorted(set(view.ids) - set(mirrored))}"
    )
    report = world.records.version("c", number)
    told = (report.documents, report.vectors, report.segments, report.bytes)
    wanted = (len(shelf), len(view.ids), len(view.manifest.segments), view.manifest.bytes)
    assert told == wanted, f"[mirror] version {number}: the catalog counts {told}, not {wanted}"


def check_expired(world: World, numbers: Iterable[int]) -> None:
    """Assert that versions that were let go cannot be read any more."""
    for number in numbers:
        for read in (
            lambda: world.reading.version(world.collection.id, number),  # noqa: B023
            lambda: world.search("anything", version=number),  # noqa: B023
        ):
            try:
                read()
            except VersionExpired:
                continue
            raise AssertionError(f"[expired] version {number} was let go and can be read")


def check_jobs(world: World, jobs: Iterable[str]) -> None:
    """Assert that every document of these jobs has come to an end that is no failure."""
    for job in jobs:
        report = world.records.job(job)
        stuck = {
            str(state): count
            for state, count in report.counts.items()
            if count and (not state.finished or state is State.FAILED)
        }
        assert not stuck, f"[jobs] job {job} has {stuck}, {report.errors}"
