"""A small world together with a dictionary of all it should hold: one method for each event."""

import tempfile
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path

from shared.domain import (
    Chunking,
    ChunkingMode,
    Claim,
    DocumentReport,
    IndexRule,
    Json,
    Lane,
    RetentionRule,
    Revision,
    RevisionKind,
    SpaceDraft,
    State,
    VersionKind,
)
from shared.errors import DocumentNotFound, RebuildUnderWay
from shared.ingest import deletion, submit
from shared.rebuilding.merging import merge_part_next
from shared.rebuilding.turns import rebuild_next
from shared.settings import MergeSettings
from shared.trust.purging import purge
from shared.upkeep.garbage import collect
from shared.upkeep.merging import merge_next, relay_next
from shared.versions.restoring import restore
from shared.versions.shelf import tag, untag
from tests.archives import contents, export, import_
from tests.faults.oracle import Oracle, Said, check_expired, check_jobs
from tests.keeping import (
    head_of,
    keeper_of,
    keys_on_disk,
    let_hours_pass,
    live_versions,
    needed_keys,
    write_segment,
)
from tests.shelves import shelf_of
from tests.trust import mend, purger_of
from tests.worlds import World

CHUNKING = Chunking(mode=ChunkingMode.PASSAGES, max_tokens=4, overlap_tokens=0)

SMALL = MergeSettings(
    fan_in=2,
    floor=4,
    ann_from=64,
    flat_budget=600,
    max_segments=4,
    deleted_share=0.3,
    threads=1,
)
"""Everything happens early; FAISS's layouts from 256 vectors on, which is the least there is."""

_MOST_MERGES = 50
_WORDS = ("lime", "moss", "sand", "reed", "wolf", "kiln", "oath", "dusk", "fern", "gale")


class Life:
    """A world, and what its collection must hold at each version.

    Every method is one event. It asserts what the event alone promises; `check` asserts what
    must be true at any time.
    """

    def __init__(self, folder: Path, *, database_url: str | None = None) -> None:
        self.folder = folder
        self.oracle = Oracle()
        self.versions: dict[int, dict[str, Said]] = {}
        """What every version published so far holds; purged documents left all of them."""
        self.expired: set[int] = set()
        self.tags: dict[str, int] = {}
        self.leases: set[tuple[int, str]] = set()
        self.waiting: dict[str, tuple[int, Said | None]] = {}
        """By document: revision and content (None to delete it) of the last submission, until
        that is settled."""
        self.settled: dict[str, int] = {}
        """By document: the newest revision that was settled."""
        self.jobs: list[str] = []
        self._archives = 0
        self._database_url = database_url
        self._stack = ExitStack()
        self.world = self._open()

    def close(self) -> None:
        """Close the world."""
        self._stack.close()

    def _open(self) -> World:
        return self._stack.enter_context(
            World.open(self.folder, chunking=CHUNKING, merge=SMALL, database_url=self._database_url)
        )

    # --- what there is ------------------------------------------------------------------------

    @property
    def head(self) -> int:
        """The newest version, 0 before the first."""
        return max(self.versions, default=0)

    @property
    def live(self) -> dict[str, Said]:
        """What the newest version holds."""
        return self.versions.get(self.head, {})

    @property
    def kept(self) -> list[int]:
        """The versions that can be searched, oldest first."""
        return [number for number in sorted(self.versions) if number not in self.expired]

    @property
    def known(self) -> list[str]:
        """Documents that were submitted and not purged."""
        return sorted(self.settled.keys() | self.waiting.keys())

    def check(self, *, query: str = "lime moss", k: int = 5, whole: bool = True) -> None:
        """Assert what must be true now, of the newest versions only unless *whole*."""
        kept = [one.version for one in live_versions(self.world)]
        assert kept == self.kept, f"[kept] versions {kept} can be searched, not {self.kept}"
        only = None if whole else kept[-2:]
        self.oracle.check(self.world, self.versions, query=query, k=k, only=only)
        check_expired(self.world, sorted(self.expired)[-3:])
        if not self.waiting:
            check_jobs(self.world, self.jobs)

    # --- documents ----------------------------------------------------------------------------

    def put(self, documents: Mapping[str, Said], lane: Lane = Lane.INTERACTIVE) -> None:
        """Submit documents; no worker looks at them yet."""
        sent: list[Json] = [
            {"id": name, "text": one.text, "title": one.title, "metadata": {"note": one.note}}
            for name, one in documents.items()
        ]
        receipt = self.world.add(*sent, lane=lane)
        self.jobs.append(receipt.job_id)
        for name, state in receipt.documents:
            said = documents[name]
            if state is State.UNCHANGED:
                assert name not in self.waiting, f"[receipt] {name} waits, and it is unchanged"
                assert self.live.get(name) == said, f"[receipt] {name} is not unchanged"
                self.settled[name] = self._newest_revision(name)
            else:
                assert state is State.PENDING, f"[receipt] {name} was accepted as {state}"
                self.waiting[name] = (self._newest_revision(name), said)

    def delete(self, name: str) -> None:
        """Ask for a document to be deleted; it is refused just if there is none."""
        exists = name in self.waiting or name in self.live
        try:
            receipt = submit(
                self.world.inbox, self.world.bell, deletion(name, collection="c", source="api")
            )
        except DocumentNotFound:
            gone = name not in self.live or self.waiting.get(name, (0, name))[1] is None
            assert gone, f"[receipt] {name} is there and cannot be deleted"
            return
        assert exists, f"[receipt] {name} is not there and was deleted"
        self.jobs.append(receipt.job_id)
        self.waiting[name] = (self._newest_revision(name), None)

    def work(self) -> None:
        """Index one claim, if anything waits."""
        if self.world.reading.waiting(self.world.collection.id):
            claim = self.world.claim()
            expected = self._after(claim)
            self.world.finish(claim)
            self._published(expected)

    def drain(self) -> None:
        """Index all that waits: the last word on each document is what the head says then."""
        wanted = {name: said for name, (_, said) in self.waiting.items()}
        while self.world.reading.waiting(self.world.collection.id):
            self.work()
        for name, said in wanted.items():
            assert self.live.get(name) == said, f"[last-word] {name}"
        assert not self.waiting, f"[last-word] {sorted(self.waiting)} never came to a worker"

    def purge(self, name: str) -> None:
        """Erase a document from every version."""
        known = name in self.known
        try:
            purge(purger_of(self.world), "c", name)
        except DocumentNotFound:
            assert not known, f"[purge] {name} is there and was not found"
            return
        assert known, f"[purge] {name} was purged, but it is not there"
        for shelf in self.versions.values():
            shelf.pop(name, None)
        self.waiting.pop(name, None)
        self.settled.pop(name, None)

    def _after(self, claim: Claim) -> dict[str, Said]:
        """Return what the head must hold once *claim* is published."""
        expected = dict(self.live)
        for revision in sorted(claim.revisions, key=lambda one: one.id):
            name = revision.external_id
            said = _said(revision)
            last, wanted = self.waiting.get(name, (0, None))
            if revision.id == last:
                assert said == wanted, f"[texts] a worker was given {said}, not {wanted}"
                del self.waiting[name]
            if revision.id <= self.settled.get(name, 0):
                continue  # an older one never replaces a newer one
            self.settled[name] = revision.id
            if said is None:
                expected.pop(name, None)
            else:
                expected[name] = said
        return expected

    def _published(self, expected: dict[str, Said]) -> None:
        """Take note of the version that was just made, if one was."""
        before, now = self.head, self.world.head().version
        assert now in (before, before + 1), f"[one-head] from {before} to {now}"
        if now == before:
            assert expected == self.live, f"[live-set] version {before} is not what was published"
        else:
            self.versions[now] = expected

    def _newest_revision(self, name: str) -> int:
        return self.world.records.document("c", name).revision_id

    # --- upkeep -------------------------------------------------------------------------------

    def merge(self) -> None:
        """Merge until nothing needs it, which must come soon."""
        for _ in range(_MOST_MERGES):
            if not merge_next(self.world.upkeep()):
                return
            self._published(dict(self.live))
            kind = self.world.manifest().kind
            assert kind is VersionKind.MERGE, f"[merge] it published a {kind}"
        raise AssertionError(f"[merge] {_MOST_MERGES} merges, and it goes on")

    def relay(self, rule: IndexRule) -> None:
        """Lay the collection out by another rule, all in one version."""
        self.world.collections.configure("c", index=rule)
        if relay_next(self.world.upkeep()):
            self._published(dict(self.live))
            again = relay_next(self.world.upkeep())
            assert not again, f"[relay] not all was laid out anew for {rule}"

    def collect(self, rule: RetentionRule) -> None:
        """Let versions go by *rule*, and remove what nobody needs, without any grace."""
        collection = self.world.collections.configure("c", retention=rule)
        before = live_versions(self.world)
        held = {one.version for one in before if one.leased or one.tags}
        ours = {*self.tags.values(), *(number for number, _ in self.leases)} & {*self.kept}
        assert ours <= held, f"[held] versions {sorted(ours - held)} are held, and nobody knows"
        garbage = collect(keeper_of(self.world), collection, dry_run=False)
        content = [one.version for one in before if one.kind.has_content]
        staying = {*content[-rule.versions :], *held, self.head}
        gone = set(garbage.expired)
        assert not gone & staying, f"[retention] {sorted(gone & staying)} had to stay"
        if not rule.days:
            left = {one.version for one in before} - staying - gone
            assert not left, f"[retention] {sorted(left)} had to go by {rule}"
        self.expired |= gone
        remains = keys_on_disk(self.world) - needed_keys(self.world)
        assert not remains, f"[garbage] nobody needs {sorted(remains)}"

    def rebuild(self, max_tokens: int) -> None:
        """Ask for passages of another length; another such wish under way is cancelled first."""
        rule = Chunking(max_tokens=max_tokens, overlap_tokens=0)
        card = self.world.encoder.card
        draft = SpaceDraft(encoder=card, metric=card.metric, chunking=rule)
        try:
            begun = self.world.rebuilds.begin("c", draft, force=False)
        except RebuildUnderWay:
            self.world.rebuilds.cancel("c")
            begun = self.world.rebuilds.begin("c", draft, force=False)
        live = self.world.collections.get("c").space.chunking
        assert (begun is None) == (live == rule), f"[rebuild] from {live} to {rule}: {begun}"

    def rebuild_a_little(self) -> None:
        """Go one step on with a rebuild, perhaps to its end."""
        merge_part_next(self.world.upkeep(), self.world.renditions)
        under_way = self.world.renditions.running()
        rebuild_next(self.world.bench, under_way, let_pass=lambda: None)
        before, now = self.head, self.world.head().version
        self._published(dict(self.live))
        if now != before:
            space = self.world.collections.get("c").space
            assert space == under_way[0].space, "[rebuild] another space is live"

    def finish_rebuild(self) -> None:
        """Bring the rebuild that is under way to its end."""
        while self.world.renditions.running():
            self.rebuild_a_little()

    # --- versions -----------------------------------------------------------------------------

    def restore(self, version: int) -> None:
        """Make a kept version the newest again."""
        before = dict(self.live)
        done = restore(shelf_of(self.world), "c", str(version))
        expected = dict(self.versions[version])
        if done.unchanged:
            assert expected == before, f"[restored] version {version} is not what the head says"
            return
        self._published(expected)
        source = self.world.reading.version(self.world.collection.id, version)
        same = self.world.manifest().segments == self.world.store.read_manifest(source).segments
        assert same, f"[restored] version {self.head} lists other segments than {version}"
        for name in before.keys() | expected.keys():
            if before.get(name) != expected.get(name) and name not in self.waiting:
                self._check_shown(name, expected.get(name))

    def _check_shown(self, name: str, said: Said | None) -> None:
        """Assert that a user who asks for a document is told what the restore made of it."""
        try:
            report = self.world.records.document("c", name)
        except DocumentNotFound:
            assert said is None, f"[withdrawn] {name} is live again, and not shown"
            return
        if said is None:
            gone = report.state in (State.WITHDRAWN, State.SUPERSEDED)
            assert gone, f"[withdrawn] {name} is not live any more, and shown as {report.state}"
            return
        live = report.state in (State.INDEXED, State.UNCHANGED) and _said(report) == said
        assert live, f"[withdrawn] {name} is shown as {report.state}, {_said(report)}, not {said}"

    def tag(self, version: int, name: str) -> None:
        """Name a version."""
        tag(shelf_of(self.world), "c", str(version), name)
        self.tags[name] = version

    def untag(self, name: str) -> None:
        """Take a name away."""
        untag(shelf_of(self.world), "c", name)
        del self.tags[name]

    def lease(self, version: int, holder: str) -> None:
        """Lease a version for longer than the world lives."""
        self.world.versions.hold(self.world.collection.id, version, holder, 3600)
        self.leases.add((version, holder))

    def release(self, version: int, holder: str) -> None:
        """End a lease."""
        self.world.versions.release(self.world.collection.id, version, holder)
        self.leases.discard((version, holder))

    def search(self, version: int, query: str, *, k: int, exact: bool) -> None:
        """Search a kept version as a user does."""
        result = self.world.search(query, k=k, version=version, exact=exact)
        shelf = self.versions[version]
        head = self.world.reading.version(self.world.collection.id, version)
        space = self.world.collections.space(self.world.store.read_manifest(head).space_id)
        rule = space.chunking
        self.oracle.check_hits(
            version, result.hits, shelf, rule=rule, query=query, k=k, exact=exact
        )

    # --- mishaps ------------------------------------------------------------------------------

    def die_rebuilding(self) -> None:
        """Take documents for a rebuild, and die: they are taken again."""
        for one in self.world.renditions.running():
            claim = self.world.renditions.claim(
                one.id, "host:7", max_characters=200, max_documents=3, lease_seconds=30
            )
            reaped = self.world.claims.reap(worker="host:7", max_crashes=10**6)
            assert reaped == (claim is not None), f"[reap] {reaped} claims"

    def reopen(self) -> None:
        """End the process and start another one."""
        self._stack.close()
        self._stack = ExitStack()
        self.world = self._open()

    def die_publishing(self) -> None:
        """Write a segment for a claim, and die: the documents wait again."""
        if self.world.reading.waiting(self.world.collection.id):
            write_segment(self.world, self.world.claim())
            reaped = self.world.claims.reap(worker=self.world.bench.worker, max_crashes=10**6)
            assert reaped == 1, f"[reap] {reaped} claims"

    def die_merging(self) -> None:
        """Write the segment of a merge, and die; two hours pass."""
        write_segment(self.world, None)
        let_hours_pass(self.world)

    def files_of(self, version: int) -> list[str]:
        """Return the keys of every file that a kept version needs, its manifest the last."""
        (kept,) = [one for one in live_versions(self.world) if one.version == version]
        head = head_of(self.world, kept)
        keys = sorted(self.world.store.needed(self.world.store.read_manifest(head)))
        keys.append(self.world.store.manifest_key(head))
        return [name for key in keys for name, size in self.world.store.contents(key) if size]

    def damage_and_repair(self, version: int, ending: str) -> None:
        """Flip a bit in the last file of a kept version whose key ends like this; repair it."""
        name = [name for name in self.files_of(version) if name.endswith(ending)][-1]
        _flip(self.folder / "index" / name)
        report = mend(self.world)
        assert not report.lost, f"[repair] {name}: {report.lost}"
        assert report.repaired == (name,), f"[repair] {name} was damaged, not {report.repaired}"

    def export_and_import(self, version: int) -> None:
        """Carry a version to another installation, where it must say the same."""
        self._archives += 1
        path = self.folder / f"{self._archives}.tar"
        export(self.world, path, str(version))
        with (
            tempfile.TemporaryDirectory() as other,
            World.open(Path(other), chunking=CHUNKING, merge=SMALL) as copy,
        ):
            done = import_(copy, path, "copy")
            assert not done.waiting, f"[import] {done.waiting} documents wait"
            sent, got = contents(self.world, "c", version), contents(copy, "copy")
            assert [one for one, _ in got] == [one for one, _ in sent], "[import] other documents"
            for (document, wanted), (_, found) in zip(sent, got, strict=True):
                assert (wanted == found).all(), f"[import] other vectors of {document.id}"
        path.unlink()


def book(seed: int, passages: int = 270) -> Said:
    """Return a document of so many passages, some of which say the same."""
    words = (
        _WORDS[(seed + place * place // 3 + place // 7) % len(_WORDS)]
        + (str(place % 97) if place % 5 else "")
        for place in range(4 * passages)
    )
    return Said(" ".join(words), note=seed)


def _said(revision: Revision | DocumentReport) -> Said | None:
    """Return what a revision says; None for one that deletes."""
    if revision.kind is RevisionKind.DELETE:
        return None
    note = revision.metadata["note"]
    assert isinstance(note, int)
    return Said(revision.text, revision.title, note)


def _flip(path: Path) -> None:
    """Flip a bit in the middle, in a new file, so that who has mapped the old one reads on."""
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    draft = path.with_name(f"{path.name}.flipped")
    draft.write_bytes(content)
    draft.replace(path)
