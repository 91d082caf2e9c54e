"""The composition root: settings in, the parts of Lamina out. Nothing else knows all adapters."""

import os
import socket
import threading
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

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
from shared.collecting import create_collection
from shared.domain import DocumentLimits
from shared.encoder import ModelStore
from shared.errors import CollectionExists, CollectionNotFound
from shared.index import FolderIndexStore, choose
from shared.indexing import Bench
from shared.pace import Pace
from shared.ports import (
    Bell,
    Claims,
    Collections,
    Encoders,
    Inbox,
    IndexStore,
    Publications,
    Reading,
    Records,
    Roster,
)
from shared.queue import CeleryBell
from shared.search import Searcher
from shared.settings import Settings
from shared.snapshots import Snapshots
from shared.upkeep import Upkeep

DEFAULT_COLLECTION = "default"


@dataclass(frozen=True, slots=True, kw_only=True)
class Services:
    """What an entry point hands to the use cases; opened once per process, after any fork."""

    settings: Settings
    limits: DocumentLimits
    database: Database
    collections: Collections
    inbox: Inbox
    claims: Claims
    publications: Publications
    reading: Reading
    records: Records
    roster: Roster
    store: IndexStore
    encoders: Encoders
    bell: Bell
    snapshots: Snapshots
    queries: QueryBatcher
    searcher: Searcher

    def close(self) -> None:
        """End the threads and close the connections of this process."""
        self.snapshots.close()
        self.queries.close()
        self.bell.close()
        self.database.close()


def process_name() -> str:
    """Return who this process is in leases and the roster: `host:pid`."""
    return f"{socket.gethostname()}:{os.getpid()}"


def open_services(settings: Settings) -> Services:
    """Build every part; connections, models and threads open at first use."""
    database = Database(settings.catalog_url)
    collections = SqlCollections(database)
    reading = SqlReading(database)
    records = SqlRecords(database)
    store = FolderIndexStore(settings.data_dir / "index")
    encoders = ModelStore(
        settings.data_dir / "models",
        pass_tokens=settings.encoding.pass_tokens,
        loaded=settings.encoding.loaded,
    )
    queries = QueryBatcher(encoders)
    snapshots = Snapshots(
        reading,
        collections,
        store,
        poll_seconds=settings.reader.poll_seconds,
        collections_kept=settings.reader.collections,
        old_kept=settings.reader.old_versions,
    )
    limits = settings.limits
    return Services(
        settings=settings,
        limits=document_limits(settings),
        database=database,
        collections=collections,
        inbox=SqlInbox(database, kept_bytes=limits.rejected_bytes),
        claims=SqlClaims(database),
        publications=SqlPublications(database),
        reading=reading,
        records=records,
        roster=SqlRoster(database),
        store=store,
        encoders=encoders,
        bell=CeleryBell(settings.broker_url),
        snapshots=snapshots,
        queries=queries,
        searcher=Searcher(
            collections=collections,
            reading=reading,
            records=records,
            snapshots=snapshots,
            queries=queries,
            query_characters=limits.query_characters,
            max_k=limits.k,
            after_seconds=limits.after_seconds,
            waiters=threading.BoundedSemaphore(limits.waiters),
        ),
    )


def open_bench(services: Services, *, stopping: Callable[[], bool] = lambda: False) -> Bench:
    """Return what this process needs to index until *stopping*."""
    encoding = services.settings.encoding
    return Bench(
        claims=services.claims,
        publications=services.publications,
        collections=services.collections,
        store=services.store,
        encoders=services.encoders,
        worker=process_name(),
        pace=Pace(seconds=encoding.claim_seconds),
        lease_seconds=encoding.lease_seconds,
        max_documents=encoding.claim_documents,
        stopping=stopping,
    )


def open_upkeep(services: Services) -> Upkeep:
    """Return what this process needs for upkeep."""
    return Upkeep(
        claims=services.claims,
        collections=services.collections,
        publications=services.publications,
        reading=services.reading,
        store=services.store,
        policy=partial(choose, settings=services.settings.merge),
        worker=process_name(),
        max_crashes=services.settings.encoding.max_crashes,
    )


def document_limits(settings: Settings) -> DocumentLimits:
    """Return the limits that documents are checked against."""
    limits = settings.limits
    return DocumentLimits(
        documents=limits.documents,
        id_characters=limits.id_characters,
        title_characters=limits.title_characters,
        text_characters=limits.text_characters,
        metadata_bytes=limits.metadata_bytes,
        metadata_depth=limits.metadata_depth,
        key_characters=limits.key_characters,
    )


def migrate(services: Services) -> None:
    """Bring the catalog to this version of Lamina and make sure of the default collection.

    Raises:
        EncoderNotInstalled: `settings.encoder` is not installed yet.
    """
    services.database.migrate()
    try:
        services.collections.get(DEFAULT_COLLECTION)
    except CollectionNotFound:
        try:
            create_collection(
                services.collections,
                services.encoders,
                DEFAULT_COLLECTION,
                encoder=services.settings.encoder,
            )
        except CollectionExists:
            return  # another process of this start was first
