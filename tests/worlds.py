"""A small Lamina in one process: the real catalog and index files, an encoder without weights."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from threading import BoundedSemaphore
from typing import Self

from shared.batching import QueryBatcher
from shared.catalog import (
    Database,
    SqlClaims,
    SqlCollections,
    SqlInbox,
    SqlPublications,
    SqlReading,
    SqlRecords,
    SqlRoster,
)
from shared.domain import (
    Attempt,
    Chunking,
    Claim,
    Collection,
    DocumentLimits,
    Head,
    Hit,
    Json,
    Lane,
    Metric,
    Receipt,
    SearchResult,
    Segment,
    SpaceDraft,
    Vectors,
)
from shared.errors import CollectionExists
from shared.index import FolderIndexStore, choose
from shared.indexing import Bench, index_claim, index_next
from shared.ingest import parse_submission, submit
from shared.pace import Pace
from shared.search import Searcher, SearchRequest, search
from shared.settings import MergeSettings
from shared.snapshots import Snapshots
from shared.upkeep import Upkeep
from tests.fakes.encoder import FakeEncoders
from tests.fakes.wayward import WaywardEncoder

LIMITS = DocumentLimits(
    documents=1000,
    id_characters=512,
    title_characters=2000,
    text_characters=100_000,
    metadata_bytes=10_000,
    metadata_depth=8,
    key_characters=255,
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

    def __init__(self, root: Path, meanwhile: Callable[[], None]) -> None:
        super().__init__(root)
        self._meanwhile = meanwhile

    def merge(self, attempt: Attempt, segments: Sequence[Segment], metric: Metric) -> Segment:
        merged = super().merge(attempt, segments, metric)
        self._meanwhile()
        return merged


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """Everything a use case needs, around one collection called `c`."""

    folder: Path
    collection: Collection
    collections: SqlCollections
    inbox: SqlInbox
    claims: SqlClaims
    publications: SqlPublications
    reading: SqlReading
    records: SqlRecords
    roster: SqlRoster
    store: FolderIndexStore
    encoder: WaywardEncoder
    bell: CountingBell
    bench: Bench
    searcher: Searcher

    @classmethod
    @contextmanager
    def open(
        cls,
        folder: Path,
        *,
        metric: Metric = Metric.COSINE,
        chunking: Chunking | None = None,
        database_url: str | None = None,
    ) -> Iterator[Self]:
        database = Database(database_url or f"sqlite:///{folder / 'catalog.db'}")
        database.migrate()
        encoder = WaywardEncoder()
        encoders = FakeEncoders(encoder)
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
        store = FolderIndexStore(folder / "index")
        snapshots = Snapshots(
            reading, collections, store, poll_seconds=0.01, collections_kept=4, old_kept=4
        )
        queries = QueryBatcher(encoders)
        world = cls(
            folder=folder,
            collection=collection,
            collections=collections,
            inbox=SqlInbox(database),
            claims=claims,
            publications=publications,
            reading=reading,
            records=records,
            roster=SqlRoster(database),
            store=store,
            encoder=encoder,
            bell=CountingBell(),
            bench=Bench(
                claims=claims,
                publications=publications,
                collections=collections,
                store=store,
                encoders=encoders,
                worker="host:1",
                pace=Pace(seconds=2.0),
                lease_seconds=30.0,
                max_documents=100,
                retry_seconds=0.0,
            ),
            searcher=Searcher(
                collections=collections,
                reading=reading,
                records=records,
                snapshots=snapshots,
                queries=queries,
                query_characters=1000,
                max_k=100,
                after_seconds=5.0,
                waiters=BoundedSemaphore(2),
            ),
        )
        try:
            yield world
        finally:
            snapshots.close()
            queries.close()
            database.close()

    def add(
        self, *documents: Json, lane: Lane = Lane.INTERACTIVE, key: str | None = None
    ) -> Receipt:
        """Submit documents as the API would."""
        submission = parse_submission(
            list(documents), LIMITS, collection="c", source="api", lane=lane, key=key
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

    def search(self, query: str, *, k: int = 10, version: int | None = None) -> SearchResult:
        """Search as of the head (or *version*)."""
        least = None if version is not None else self.head().version
        return search(
            self.searcher,
            SearchRequest(collection="c", query=query, k=k, version=version, min_version=least),
        )

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

    def segments(self) -> int:
        """Return how many segments the head has."""
        return len(self.store.read_manifest(self.head()).segments)

    def upkeep(self, when_chosen: Callable[[], None] | None = None) -> Upkeep:
        """Return an upkeep whose merges call *when_chosen* between reading and committing."""
        store = Interrupted(self.folder / "index", when_chosen) if when_chosen else self.store
        return Upkeep(
            claims=self.claims,
            collections=self.collections,
            publications=self.publications,
            reading=self.reading,
            store=store,
            policy=partial(choose, settings=MergeSettings()),
            worker="host:2",
            max_crashes=3,
        )

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
        """Return every index file of this name."""
        return sorted(self.folder.glob(f"index/**/{name}"))

    def fresh_store(self) -> FolderIndexStore:
        """Return the index as a process sees it that has nothing open yet."""
        return FolderIndexStore(self.folder / "index")

    def vectors(self) -> Vectors:
        """Return every live vector, in the order of its id."""
        manifest = self.store.read_manifest(self.head())
        return self.store.vectors(manifest, self.store.open(manifest).ids())


def _open_collection(collections: SqlCollections, draft: SpaceDraft) -> Collection:
    """Return the collection `c`, made the first time that its folder is opened."""
    try:
        return collections.create("c", draft)
    except CollectionExists:
        return collections.get("c")
