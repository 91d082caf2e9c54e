"""The composition root: settings in, the parts of Lamina out. Nothing else knows all adapters."""

import os
import socket
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial

from shared.access.keyring import Keyring
from shared.bulk import BulkLimits
from shared.catalog import (
    Database,
    SqlAudit,
    SqlChores,
    SqlClaims,
    SqlCollections,
    SqlDeadLetters,
    SqlDeliveries,
    SqlDiscards,
    SqlDocuments,
    SqlDump,
    SqlEvents,
    SqlExpiry,
    SqlHistory,
    SqlInbox,
    SqlKeys,
    SqlLeftovers,
    SqlMaps,
    SqlMatching,
    SqlMeasures,
    SqlNames,
    SqlParsing,
    SqlPublications,
    SqlReading,
    SqlRebuilds,
    SqlRecords,
    SqlRenditions,
    SqlRoster,
    SqlUploads,
    SqlVersions,
    SqlWaiting,
    SqlWebhooks,
)
from shared.collecting import create_collection
from shared.dead_letters import DeadLetterOffice
from shared.domain import DocumentLimits, Rebuild
from shared.domain.filters import FilterLimits
from shared.encoder import ModelStore
from shared.errors import CollectionExists, CollectionNotFound, ConfigurationError
from shared.files import FileLimits, FolderBlobs, Pen, clean_name, sniff
from shared.gauge import Gauge
from shared.index import FORMAT, choose, cluster, open_store, restyle
from shared.indexing.bench import Bench
from shared.indexing.pace import Backoff, Pace
from shared.indexing.publishing import read_manifest
from shared.measures.history import Recorder
from shared.measures.tally import Tally
from shared.messages import MessageLimits
from shared.ports import (
    Audit,
    Bell,
    Blobs,
    Chores,
    Claims,
    Collections,
    DeadLetters,
    Deliveries,
    Discards,
    Documents,
    Encoders,
    Events,
    Expiry,
    History,
    Inbox,
    IndexFiles,
    IndexStore,
    Keys,
    Leftovers,
    Maps,
    Measures,
    Messages,
    Names,
    Parsing,
    Publications,
    Reading,
    Rebuilds,
    Records,
    Renditions,
    Roster,
    Uploads,
    Versions,
    Waiting,
    Webhooks,
)
from shared.posting import HttpPoster
from shared.projecting.atlas import Atlas
from shared.projecting.mapping import Studio
from shared.queue import BrokerMessages, CeleryBell
from shared.rebuilding.standing import under_way
from shared.sampling import Sampler
from shared.searching.batching import QueryBatcher
from shared.searching.narrowing import Narrowing
from shared.searching.queries import SearchLimits
from shared.searching.recall import RecallSampler
from shared.searching.search import Searcher
from shared.searching.snapshots import Snapshots, Stacks
from shared.settings import Settings
from shared.transfer.backups import Installation
from shared.transfer.delivering import Dock
from shared.transfer.loading import Target
from shared.trust.checking import Checker
from shared.trust.purging import Purger
from shared.trust.repairing import Repairer
from shared.upkeep.chores import Shift
from shared.upkeep.clockwatch import ClockWatch
from shared.upkeep.expiring import Sweep
from shared.upkeep.remains import Keeper
from shared.upkeep.room import Room
from shared.upkeep.upkeep import Upkeep
from shared.uploads.clearing import Attic
from shared.uploads.parsing import Mill
from shared.uploads.receiving import Depot
from shared.versions.shelf import Shelf
from shared.waiting.admission import GuardedInbox
from shared.waiting.backlog import Backlog
from shared.waiting.forecast import Forecast
from shared.waiting.why import Enquiry
from shared.webhooks.delivering import Messenger

DEFAULT_COLLECTION = "default"
INDEX_FORMAT = FORMAT
"""The newest format of index files that this program reads and writes."""
_DELIVERY_SECONDS = 60.0
_MANIFESTS = 256  # remembered by an upkeep process, about 10 kB each


@dataclass(frozen=True, slots=True, kw_only=True)
class Services:
    """What an entry point hands to the use cases; opened once per process, after any fork."""

    settings: Settings
    limits: DocumentLimits
    database: Database
    collections: Collections
    names: Names
    discards: Discards
    events: Events
    webhooks: Webhooks
    deliveries: Deliveries
    streams: threading.BoundedSemaphore
    """Of events, that this process may still begin."""
    inbox: Inbox
    uploads: Uploads
    parsing: Parsing
    leftovers: Leftovers
    blobs: Blobs
    spool: Room
    """Where files wait to be read."""
    claims: Claims
    publications: Publications
    rebuilds: Rebuilds
    renditions: Renditions
    rebuilding: Gauge[Sequence[Rebuild]]
    """Rebuilds under way; costly to look at, so never more often than that is worth."""
    reading: Reading
    records: Records
    dead_letters: DeadLetters
    documents: Documents
    expiry: Expiry
    roster: Roster
    versions: Versions
    chores: Chores
    maps: Maps
    keys: Keys
    keyring: Keyring
    audit: Audit
    store: IndexStore
    files: IndexFiles
    room: Room
    """Where segments lie."""
    waiting: Waiting
    forecast: Forecast
    backlog: Backlog
    messages: Messages
    encoders: Encoders
    bell: Bell
    snapshots: Snapshots
    queries: QueryBatcher
    recall: RecallSampler
    searcher: Searcher
    measures: Measures
    history: History
    tally: Tally
    """What this process counted and did not hand over to `measures` yet."""

    def close(self) -> None:
        """End the threads and close the connections of this process."""
        self.recall.close()
        self.snapshots.close()
        self.queries.close()
        self.bell.close()
        self.database.close()


def process_name() -> str:
    """Return who this process is in leases and the roster: `host:pid`."""
    return f"{socket.gethostname()}:{os.getpid()}"


def open_encoders(settings: Settings) -> Encoders:
    """Return the installed models, for documents: on the device that the settings name."""
    return ModelStore.of(settings, device=settings.encoding.device)


def open_services(
    settings: Settings, *, encoders: Encoders | None = None, bell: Bell | None = None
) -> Services:
    """Build every part; connections, models and threads open at first use.

    Args:
        settings: of this installation.
        encoders: in place of the installed models.
        bell: in place of the broker's.
    """
    database = Database(settings.catalog_url, skewed=settings.clock_skewed)
    collections = SqlCollections(database)
    reading = SqlReading(database)
    records = SqlRecords(database)
    store = open_store(settings)
    encoders = encoders or ModelStore.of(settings)
    queries = QueryBatcher(encoders, patience_seconds=settings.reader.query_seconds)
    matching = SqlMatching(database)
    versions, chores = SqlVersions(database), SqlChores(database)
    roster, waiting = SqlRoster(database), SqlWaiting(database)
    room = Room(store, settings.storage.min_free_bytes)
    rebuilds, renditions = SqlRebuilds(database), SqlRenditions(database)
    blobs = FolderBlobs(settings.data_dir / "uploads")
    forecast = Forecast(waiting, roster)
    recall = RecallSampler(chores, share=settings.reader.recall_share)
    tally = Tally()
    snapshots = Snapshots(
        Stacks(
            reading=reading,
            collections=collections,
            versions=versions,
            chores=chores,
            store=store,
            files=store,
            holder=process_name(),
            lease_seconds=settings.reader.lease_seconds,
            tally=tally,
        ),
        poll_seconds=settings.reader.poll_seconds,
        collections_kept=settings.reader.collections,
        old_kept=settings.reader.old_versions,
    )
    limits = settings.limits
    keys = SqlKeys(database)
    backlog = Backlog(waiting, forecast, limits.backlog)
    return Services(
        settings=settings,
        limits=document_limits(settings),
        database=database,
        collections=collections,
        names=SqlNames(database),
        discards=SqlDiscards(database),
        events=SqlEvents(database),
        webhooks=SqlWebhooks(database),
        deliveries=SqlDeliveries(database),
        streams=threading.BoundedSemaphore(settings.events.streams),
        inbox=GuardedInbox(SqlInbox(database, kept_bytes=limits.rejected_bytes), room, backlog),
        uploads=SqlUploads(database),
        parsing=SqlParsing(database),
        leftovers=SqlLeftovers(database),
        blobs=blobs,
        spool=Room(blobs, settings.storage.min_free_bytes),
        claims=SqlClaims(database),
        publications=SqlPublications(database),
        rebuilds=rebuilds,
        renditions=renditions,
        rebuilding=Gauge(partial(under_way, renditions, rebuilds)),
        reading=reading,
        records=records,
        dead_letters=SqlDeadLetters(database, kept_bytes=limits.rejected_bytes),
        documents=SqlDocuments(database),
        expiry=SqlExpiry(database),
        roster=roster,
        versions=versions,
        chores=chores,
        maps=SqlMaps(database),
        keys=keys,
        keyring=Keyring(keys, settings.read_admin_key()),
        audit=SqlAudit(database),
        store=store,
        files=store,
        room=room,
        waiting=waiting,
        forecast=forecast,
        backlog=backlog,
        messages=BrokerMessages(settings.broker_url, settings.broker.queue),
        encoders=encoders,
        bell=bell or CeleryBell(settings.broker_url),
        snapshots=snapshots,
        queries=queries,
        recall=recall,
        searcher=Searcher(
            collections=collections,
            reading=reading,
            records=records,
            snapshots=snapshots,
            queries=queries,
            recall=recall,
            query_characters=limits.query_characters,
            max_k=limits.k,
            after_seconds=limits.after_seconds,
            waiters=threading.BoundedSemaphore(limits.waiters),
            matching=matching,
            narrowing=Narrowing(matching, kept_bytes=settings.reader.filter_bytes),
            limits=search_limits(settings),
            tally=tally,
        ),
        measures=SqlMeasures(database),
        history=SqlHistory(database),
        tally=tally,
    )


def open_bench(services: Services, *, stopping: Callable[[], bool] = lambda: False) -> Bench:
    """Return what this process needs to index until *stopping*."""
    encoding = services.settings.encoding
    return Bench(
        claims=services.claims,
        publications=services.publications,
        collections=services.collections,
        renditions=services.renditions,
        store=services.store,
        encoders=services.encoders,
        room=services.room,
        worker=process_name(),
        pace=Pace(seconds=encoding.claim_seconds),
        lease_seconds=encoding.lease_seconds,
        max_documents=encoding.claim_documents,
        max_crashes=encoding.max_crashes,
        backoff=Backoff(encoding.retry_seconds, encoding.longest_retry_seconds),
        hold_seconds=encoding.hold_seconds,
        tally=services.tally,
        stopping=stopping,
    )


def open_shift(services: Services, *, stopping: Callable[[], bool] = lambda: False) -> Shift:
    """Return what this process needs to do chores until *stopping*."""
    return Shift(
        chores=services.chores,
        versions=services.versions,
        holder=process_name(),
        lease_seconds=services.settings.merge.lease_seconds,
        stopping=stopping,
    )


def open_upkeep(services: Services, *, stopping: Callable[[], bool] = lambda: False) -> Upkeep:
    """Return what this process needs for upkeep until *stopping*."""
    merge = services.settings.merge
    return Upkeep(
        claims=services.claims,
        collections=services.collections,
        publications=services.publications,
        reading=services.reading,
        roster=services.roster,
        store=services.store,
        manifest=lru_cache(_MANIFESTS)(partial(read_manifest, services.store)),
        files=services.files,
        shift=open_shift(services, stopping=stopping),
        room=services.room,
        merges=partial(choose, settings=merge),
        relays=partial(restyle, settings=merge, newest_format=FORMAT),
        max_crashes=services.settings.encoding.max_crashes,
        clock=open_clock(services),
        claim_seconds=services.settings.encoding.lease_seconds,
    )


def open_clock(services: Services) -> ClockWatch:
    """Return what this process needs to judge leases by the catalog's clock."""
    longest = longest_lease(services.settings)
    return ClockWatch(
        services.roster,
        lease_seconds=longest,
        # An import holds back its documents for two leases (`shared/transfer/delivering.py`).
        delay_seconds=max(2 * longest, services.settings.encoding.longest_retry_seconds),
    )


def longest_lease(settings: Settings) -> float:
    """Return the longest that a claim, a chore or a version held lives without a heartbeat."""
    return max(
        settings.encoding.lease_seconds,
        settings.merge.lease_seconds,
        settings.reader.lease_seconds,
    )


def open_shelf(services: Services) -> Shelf:
    """Return what this process needs to name, compare and restore versions."""
    return Shelf(
        collections=services.collections,
        publications=services.publications,
        reading=services.reading,
        records=services.records,
        versions=services.versions,
        chores=services.chores,
        store=services.store,
        files=services.files,
        worker=process_name(),
        lease_seconds=services.settings.reader.lease_seconds,
    )


def open_atlas(services: Services) -> Atlas:
    """Return what this process needs to ask for maps and look at them."""
    return Atlas(
        maps=services.maps,
        collections=services.collections,
        reading=services.reading,
        searcher=services.searcher,
    )


def open_studio(services: Services, *, stopping: Callable[[], bool] = lambda: False) -> Studio:
    """Return what this process needs to draw maps until *stopping*."""
    return Studio(
        maps=services.maps,
        collections=services.collections,
        reading=services.reading,
        store=services.store,
        files=services.files,
        shift=open_shift(services, stopping=stopping),
        clusterer=cluster,
    )


def open_sweep(services: Services) -> Sweep:
    """Return what this process needs to forget what was kept long enough."""
    retention = services.settings.retention
    return Sweep(
        services.expiry,
        key_days=retention.key_days,
        job_days=retention.job_days,
        rejection_days=retention.rejection_days,
    )


def open_recorder(services: Services) -> Recorder:
    """Return what this process needs to take readings for the plots."""
    metrics = services.settings.metrics
    return Recorder.of(
        services.history,
        services.measures,
        services.waiting,
        every_seconds=metrics.reading_seconds,
        kept_seconds=metrics.history_seconds,
    )


def open_sampler(services: Services) -> Sampler:
    """Return what this process needs to load the sample collection."""
    return Sampler(
        collections=services.collections,
        encoders=services.encoders,
        inbox=services.inbox,
        bell=services.bell,
        encoder=services.settings.encoder,
    )


def open_messenger(services: Services) -> Messenger:
    """Return what this process needs to tell webhooks what happened."""
    webhooks = services.settings.webhooks
    timeout_seconds = webhooks.timeout_seconds
    return Messenger(
        events=services.events,
        deliveries=services.deliveries,
        poster=HttpPoster(timeout_seconds=timeout_seconds, private=webhooks.private),
        # A name server may be slow, too, and the catalog when it is told.
        lease_seconds=timeout_seconds + _DELIVERY_SECONDS,
        give_up_seconds=webhooks.give_up_hours * 3600,
        event_seconds=services.settings.events.days * 86_400,
        log_seconds=webhooks.kept_days * 86_400,
    )


def open_keeper(services: Services, *, stopping: Callable[[], bool] = lambda: False) -> Keeper:
    """Return what this process needs to collect garbage until *stopping*."""
    retention = services.settings.retention
    return Keeper(
        shift=open_shift(services, stopping=stopping),
        renditions=services.renditions,
        reading=services.reading,
        roster=services.roster,
        store=services.store,
        files=services.files,
        grace_seconds=retention.grace_seconds,
        orphan_days=retention.orphan_days,
    )


def open_checker(services: Services, *, stopping: Callable[[], bool] = lambda: False) -> Checker:
    """Return what this process needs to check indexes until *stopping*."""
    return Checker(
        shift=open_shift(services, stopping=stopping),
        collections=services.collections,
        reading=services.reading,
        records=services.records,
        roster=services.roster,
        store=services.store,
        files=services.files,
        encoders=services.encoders,
        scrub_days=services.settings.retention.scrub_days,
        attic=open_attic(services),
    )


def open_repairer(services: Services) -> Repairer:
    """Return what this process needs to repair damaged files."""
    return Repairer(
        shift=open_shift(services),
        collections=services.collections,
        publications=services.publications,
        store=services.store,
        files=services.files,
        encoders=services.encoders,
    )


def open_purger(services: Services) -> Purger:
    """Return what this process needs to erase documents from every version."""
    return Purger(
        shift=open_shift(services),
        collections=services.collections,
        publications=services.publications,
        store=services.store,
        keeper=open_keeper(services),
        attic=open_attic(services),
    )


def open_depot(services: Services) -> Depot:
    """Return what this process needs to take files in."""
    settings = services.settings
    return Depot(
        uploads=services.uploads,
        blobs=services.blobs,
        rooms=(services.spool, services.room),
        backlog=services.backlog,
        sniff=sniff,
        clean_name=partial(clean_name, most=settings.limits.id_characters),
        file_bytes=settings.files.bytes,
    )


def open_mill(services: Services) -> Mill:
    """Return what this process needs to read files into documents."""
    files = services.settings.files
    return Mill(
        parsing=services.parsing,
        blobs=services.blobs,
        reader=Pen(file_limits(services.settings)),
        rooms=(services.spool, services.room),
        backlog=services.backlog,
        bell=services.bell,
        limits=services.limits,
        file_bytes=files.bytes,
        worker=process_name(),
        lease_seconds=files.lease_seconds,
        max_attempts=files.attempts,
        retry_seconds=files.retry_seconds,
        tally=services.tally,
    )


def open_attic(services: Services) -> Attic:
    """Return where this process finds the bytes of files that are kept."""
    return Attic(services.leftovers, services.blobs)


def open_dock(services: Services) -> Dock:
    """Return what this process needs to publish documents that bring their vectors."""
    encoding = services.settings.encoding
    return Dock(
        inbox=services.inbox,
        claims=services.claims,
        publications=services.publications,
        records=services.records,
        store=services.store,
        worker=process_name(),
        lease_seconds=encoding.lease_seconds,
        max_crashes=encoding.max_crashes,
        clock=open_clock(services),
    )


def open_enquiry(services: Services) -> Enquiry:
    """Return what this process needs to tell why something waits."""
    return Enquiry(
        records=services.records,
        waiting=services.waiting,
        forecast=services.forecast,
        roster=services.roster,
        inbox=services.inbox,
        room=services.room,
        messages=services.messages,
    )


def open_dead_letter_office(services: Services) -> DeadLetterOffice:
    """Return what this process needs to do something about dead letters."""
    return DeadLetterOffice(
        dead_letters=services.dead_letters,
        bell=services.bell,
        room=services.room,
        backlog=services.backlog,
        limits=message_limits(services.settings),
    )


def open_installation(services: Services, *, lamina: str) -> Installation:
    """Return what this process needs to back everything up."""
    return Installation(
        dump=SqlDump(services.database),
        versions=services.versions,
        roster=services.roster,
        store=services.store,
        files=services.files,
        encoders=services.encoders,
        holder=f"{process_name()}/backup",
        lease_seconds=services.settings.reader.lease_seconds,
        lamina=lamina,
        attic=open_attic(services),
    )


def open_target(services: Services) -> Target:
    """Return where a backup is loaded to.

    Raises:
        ConfigurationError: segments lie in object storage, which cannot be loaded into yet.
    """
    settings = services.settings
    if settings.storage.url:
        raise ConfigurationError(
            "A backup cannot be loaded into object storage yet; load it without "
            "LAMINA_STORAGE_URL, and copy the folder `index` there before the first start."
        )
    return Target(
        dump=SqlDump(services.database),
        index=settings.data_dir / "index",
        models=settings.data_dir / "models",
        files=settings.data_dir / "uploads",
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


def file_limits(settings: Settings) -> FileLimits:
    """Return the limits that files are read in."""
    files = settings.files
    return FileLimits(
        file_bytes=files.bytes,
        text_characters=settings.limits.text_characters,
        name_characters=settings.limits.id_characters,
        pages=files.pages,
        rows=files.rows,
        members=files.members,
        unpacked_bytes=files.unpacked_bytes,
        ratio=files.ratio,
        memory_bytes=files.memory_bytes,
        cpu_seconds=files.cpu_seconds,
        wall_seconds=files.seconds,
    )


def message_limits(settings: Settings) -> MessageLimits:
    """Return the limits that messages of the queue are checked against."""
    limits = settings.limits
    return MessageLimits(
        documents=document_limits(settings),
        message_bytes=limits.message_bytes,
        message_values=limits.message_values,
        rejected_bytes=limits.rejected_bytes,
    )


def bulk_limits(settings: Settings) -> BulkLimits:
    """Return the limits that lines of bulk requests are checked against."""
    limits = settings.limits
    return BulkLimits(
        documents=document_limits(settings),
        line_bytes=limits.message_bytes,
        line_values=limits.message_values,
    )


def search_limits(settings: Settings) -> SearchLimits:
    """Return the limits that questions are checked against."""
    limits = settings.limits
    return SearchLimits(
        filter=FilterLimits(
            characters=limits.filter_characters,
            nodes=limits.filter_conditions,
            values=limits.filter_values,
        ),
        queries=limits.queries,
        depth=limits.depth,
        passages=limits.passages,
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
