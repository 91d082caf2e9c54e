"""A small Lamina in one process: the real catalog and index files, an encoder without weights."""

import atexit
import os
import shutil
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cache, partial
from pathlib import Path
from threading import BoundedSemaphore
from time import monotonic
from typing import Self

from shared.catalog import (
    Database,
    SqlChores,
    SqlClaims,
    SqlCollections,
    SqlDeadLetters,
    SqlInbox,
    SqlMatching,
    SqlPublications,
    SqlReading,
    SqlRebuilds,
    SqlRecords,
    SqlRenditions,
    SqlRoster,
    SqlVersions,
    SqlWaiting,
)
from shared.domain import (
    Attempt,
    Chunking,
    Claim,
    Collection,
    DocumentLimits,
    Head,
    Hit,
    IndexRule,
    Json,
    Lane,
    Manifest,
    Metric,
    Receipt,
    SearchResult,
    Segment,
    SpaceDraft,
    Vectors,
)
from shared.domain.filters import FilterLimits
from shared.errors import CollectionExists
from shared.index import FORMAT, FolderIndexStore, LocalFiles, choose, restyle
from shared.index.disk import Disk
from shared.indexing.bench import Bench
from shared.indexing.pace import Backoff, Pace
from shared.indexing.publishing import read_manifest
from shared.indexing.turns import index_claim, index_next
from shared.ingest import parse_submission, submit
from shared.ports import Step
from shared.searching.batching import QueryBatcher
from shared.searching.narrowing import Narrowing
from shared.searching.queries import SearchLimits
from shared.searching.recall import RecallSampler
from shared.searching.search import Searcher, SearchRequest, search
from shared.searching.snapshots import Snapshots, Stacks
from shared.settings import MergeSettings
from shared.upkeep.chores import Shift
from shared.upkeep.clockwatch import ClockWatch
from shared.upkeep.room import Room
from shared.upkeep.upkeep import Upkeep
from shared.waiting.backlog import Backlog
from shared.waiting.forecast import Forecast
from tests.fakes.encoder import FakeEncoders, HashEncoder
from tests.fakes.wayward import WaywardEncoder
from tests.letters import Refused, refused

LIMITS = DocumentLimits(
    documents=1000,
    id_characters=512,
    title_characters=2000,
    text_characters=100_000,
    metadata_bytes=10_000,
    metadata_depth=8,
    key_characters=255,
)

SEARCH_LIMITS = SearchLimits(
    filter=FilterLimits(characters=1000, nodes=20, values=50), queries=8, depth=60, passages=500
)


class CountingBell:
    """A bell that only counts."""

    def __init__(self) -> None:
        self.rung = 0

    def ring(self) -> None:
        self.rung += 1

    def close(self) -> None:
        """Nothing to end."""


class Interrupted(FolderIndexStore):
    """An index store in which something else happens while a merge is written."""

    def __init__(self, root: Path, meanwhile: Callable[[], None], merge: MergeSettings) -> None:
        super().__init__(root, merge=merge)
        self._meanwhile = meanwhile

    def merge(
        self,
        attempt: Attempt,
        segments: Sequence[Segment],
        metric: Metric,
        rule: IndexRule,
        step: Step,
    ) -> Segment:
        merged = super().merge(attempt, segments, metric, rule, step)
        self._meanwhile()
        return merged


class Cramped(FolderIndexStore):
    """An index store on a disk with so much free space as a test says."""

    def __init__(self, root: Path, free: int) -> None:
        super().__init__(root)
        self.free = free

    def free_bytes(self) -> int | None:
        return self.free


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """Everything a use case needs, around one collection called `c`."""

    folder: Path
    collection: Collection
    collections: SqlCollections
    inbox: SqlInbox
    claims: SqlClaims
    publications: SqlPublications
    rebuilds: SqlRebuilds
    renditions: SqlRenditions
    reading: SqlReading
    records: SqlRecords
    dead_letters: SqlDeadLetters
    roster: SqlRoster
    versions: SqlVersions
    chores: SqlChores
    waiting: SqlWaiting
    forecast: Forecast
    backlog: Backlog
    store: FolderIndexStore
    encoder: WaywardEncoder
    bell: CountingBell
    bench: Bench
    searcher: Searcher
    merge: MergeSettings

    @classmethod
    @contextmanager
    def open(
        cls,
        folder: Path,
        *,
        metric: Metric = Metric.COSINE,
        chunking: Chunking | None = None,
        database_url: str | None = None,
        merge: MergeSettings | None = None,
        lease_seconds: float = 30.0,
        recall_share: float = 0.0,
        disk: Disk | None = None,
        skewed: bool = False,
        others: Sequence[HashEncoder] = (),
    ) -> Iterator[Self]:
        """Open the world in *folder*; all that lives by leases has *lease_seconds*.

        *others* are installed besides the encoder of its collection.

        Index files are written through *disk*, if there is one. With *skewed* the catalog's clock
        can be put forward and back (`tests/clocks.py`).
        """
        merge = merge or MergeSettings()
        database = Database(database_url or _sqlite(folder), skewed=skewed)
        database.migrate()
        encoder = WaywardEncoder()
        encoders = FakeEncoders(encoder, *others)
        collections = SqlCollections(database)
        collection = _open_collection(
            collections,
            SpaceDraft(
                encoder=encoder.card,
                metric=metric,
                chunking=chunking or Chunking(overlap_tokens=0),
            ),
        )
        reading, records = SqlReading(database), SqlRecords(database)
        claims, publications = SqlClaims(database), SqlPublications(database)
        versions, chores = SqlVersions(database), SqlChores(database)
        roster, waiting = SqlRoster(database), SqlWaiting(database)
        forecast = Forecast(waiting, roster)
        index = folder / "index"
        store = FolderIndexStore(index, LocalFiles(index, disk), merge=merge)
        recall = RecallSampler(chores, share=recall_share)
        snapshots = Snapshots(
            Stacks(
                reading=reading,
                collections=collections,
                versions=versions,
                chores=chores,
                store=store,
                files=store,
                holder="host:0",
                lease_seconds=lease_seconds,
            ),
            poll_seconds=0.01,
            collections_kept=4,
            old_kept=4,
        )
        queries = QueryBatcher(encoders)
        matching = SqlMatching(database)
        roster, waiting = SqlRoster(database), SqlWaiting(database)
        world = cls(
            folder=folder,
            collection=collection,
            collections=collections,
            inbox=SqlInbox(database),
            claims=claims,
            publications=publications,
            rebuilds=SqlRebuilds(database),
            renditions=SqlRenditions(database),
            reading=reading,
            records=records,
            dead_letters=SqlDeadLetters(database),
            roster=roster,
            versions=versions,
            chores=chores,
            waiting=waiting,
            forecast=forecast,
            backlog=Backlog(waiting, forecast, 1_000_000),
            store=store,
            encoder=encoder,
            bell=CountingBell(),
            bench=Bench(
                claims=claims,
                publications=publications,
                collections=collections,
                renditions=SqlRenditions(database),
                store=store,
                encoders=encoders,
                room=Room(store, 0),
                worker="host:1",
                pace=Pace(seconds=2.0),
                lease_seconds=30.0,
                max_documents=100,
                backoff=Backoff(0.0),
            ),
            searcher=Searcher(
                collections=collections,
                reading=reading,
                records=records,
                snapshots=snapshots,
                queries=queries,
                recall=recall,
                query_characters=1000,
                max_k=100,
                after_seconds=5.0,
                waiters=BoundedSemaphore(2),
                matching=matching,
                narrowing=Narrowing(matching, kept_bytes=10**7),
                limits=SEARCH_LIMITS,
            ),
            merge=merge,
        )
        try:
            yield world
        finally:
            recall.close()
            snapshots.close()
            queries.close()
            database.close()

    def refused(self) -> list[Refused]:
        """Return the refused messages that were not replayed, newest first."""
        return refused(self.dead_letters)

    def add(
        self,
        *documents: Json,
        lane: Lane = Lane.INTERACTIVE,
        key: str | None = None,
        collection: str = "c",
    ) -> Receipt:
        """Submit documents as the API would."""
        submission = parse_submission(
            list(documents), LIMITS, collection=collection, source="api", lane=lane, key=key
        )
        return submit(self.inbox, self.bell, submission)

    def index_all(self) -> None:
        """Work until nothing waits."""
        while index_next(self.bench):
            pass

    def claim(self) -> Claim:
        """Take a claim as a worker would, and do nothing with it yet."""
        claim = self.claims.claim(
            self.bench.worker,
            fingerprints=[self.encoder.card.fingerprint],
            max_lane=Lane.REBUILD,
            max_characters=10_000,
            max_documents=100,
            lease_seconds=30.0,
        )
        assert claim is not None
        return claim

    def finish(self, claim: Claim) -> None:
        """Go on with a claim taken before."""
        index_claim(self.bench, claim)

    def head(self) -> Head:
        """Return the collection's head."""
        return self.reading.heads()[self.collection.id]

    def search(
        self, query: str, *, k: int = 10, version: int | None = None, exact: bool = False
    ) -> SearchResult:
        """Search as of the head (or *version*)."""
        request = SearchRequest(
            collection="c",
            query=query,
            k=k,
            version=version,
            min_version=None if version is not None else self.head().version,
            exact=exact,
        )
        return search(self.searcher, request)

    def hits(self, query: str, *, k: int = 10) -> Sequence[Hit]:
        """Return what a search at the head finds."""
        return self.search(query, k=k).hits

    def found(self, query: str) -> list[str]:
        """Return the ids of what a search at the head finds, best first."""
        return [hit.id for hit in self.hits(query)]

    def texts_at(self, version: int) -> list[str]:
        """Return every passage that is live at *version*."""
        return [hit.passage for hit in self.search("anything", k=100, version=version).hits]

    def live_documents(self) -> dict[str, int]:
        """Return how many live vectors each document has, read from the index files."""
        manifest = self.store.read_manifest(self.head())
        ids = [int(one) for one in self.store.open(manifest).ids()]
        records = self.reading.passages(ids)
        return dict(Counter(records[one].external_id for one in ids))

    def manifest(self) -> Manifest:
        """Return the head's manifest."""
        return self.store.read_manifest(self.head())

    def segments(self) -> int:
        """Return how many segments the head has."""
        return len(self.manifest().segments)

    def upkeep(
        self,
        when_chosen: Callable[[], None] | None = None,
        *,
        worker: str = "host:2",
        lease_seconds: float = 30.0,
        stopping: Callable[[], bool] = lambda: False,
    ) -> Upkeep:
        """Return an upkeep whose merges call *when_chosen* between reading and committing."""
        store = self.store
        if when_chosen:
            store = Interrupted(self.folder / "index", when_chosen, self.merge)
        return Upkeep(
            claims=self.claims,
            collections=self.collections,
            publications=self.publications,
            reading=self.reading,
            roster=self.roster,
            store=store,
            manifest=partial(read_manifest, store),
            files=store,
            shift=Shift(
                chores=self.chores,
                versions=self.versions,
                holder=worker,
                lease_seconds=lease_seconds,
                stopping=stopping,
            ),
            room=Room(store, 0),
            merges=partial(choose, settings=self.merge),
            relays=partial(restyle, settings=self.merge, newest_format=FORMAT),
            max_crashes=3,
            clock=self.clock_watch(),
            claim_seconds=lease_seconds,
        )

    def clock_watch(self, own: Callable[[], float] = monotonic) -> ClockWatch:
        """Return a watch over the catalog's clock that has not looked yet."""
        return ClockWatch(self.roster, lease_seconds=30.0, delay_seconds=60.0, own=own)

    def with_after_seconds(self, seconds: float) -> Searcher:
        """Return a searcher that waits only so long for a job."""
        return replace(self.searcher, after_seconds=seconds)

    def create(self, name: str) -> Collection:
        """Create a further collection."""
        draft = SpaceDraft(
            encoder=self.encoder.card, metric=Metric.COSINE, chunking=Chunking(overlap_tokens=0)
        )
        return self.collections.create(name, draft)

    def files(self, name: str) -> list[Path]:
        """Return every index file of this name; other processes may remove some meanwhile."""
        walk = os.walk(self.folder / "index")  # which passes over folders that have just gone
        return sorted(
            Path(folder) / one for folder, _, names in walk for one in names if one == name
        )

    def fresh_store(self) -> FolderIndexStore:
        """Return the index as a process sees it that has nothing open yet."""
        return FolderIndexStore(self.folder / "index", merge=self.merge)

    def vectors(self) -> Vectors:
        """Return every live vector, in the order of its id."""
        manifest = self.store.read_manifest(self.head())
        return self.store.vectors(manifest, self.store.open(manifest).ids())


@cache
def migrated() -> Path:
    """Return a migrated SQLite file; migrating each world's own would take most of some tests."""
    path = Path(tempfile.mkdtemp(prefix="lamina-world-")) / "catalog.db"
    atexit.register(shutil.rmtree, path.parent, ignore_errors=True)
    database = Database(f"sqlite:///{path}")
    database.migrate()
    database.close()
    return path


def _sqlite(folder: Path) -> str:
    """Return the address of the catalog in *folder*, made if it is not there yet."""
    path = folder / "catalog.db"
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        shutil.copy(migrated(), path)
    return f"sqlite:///{path}"


def _open_collection(collections: SqlCollections, draft: SpaceDraft) -> Collection:
    """Return the collection `c`, made the first time that its folder is opened."""
    try:
        return collections.create("c", draft)
    except CollectionExists:
        return collections.get("c")
