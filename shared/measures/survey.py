"""How an installation is just now: the gauges of `/metrics`."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from shared.domain import ChoreState, Lane, Process, RebuildState
from shared.errors import BrokerUnavailable
from shared.measures import instruments as measured
from shared.measures.instruments import Instrument
from shared.ports import (
    Chores,
    Collections,
    DeadLetters,
    Disk,
    IndexFiles,
    Messages,
    Rebuilds,
    Renditions,
    Roster,
    Waiting,
)
from shared.rebuilding.standing import under_way
from shared.waiting.forecast import ALIVE_SECONDS

_MOST_CHORES = 100
_MOST_COUNTED = 10_000


@dataclass(frozen=True, slots=True)
class Sample:
    """One reading of a gauge."""

    instrument: Instrument
    value: float
    labels: tuple[str, ...] = ()
    """In the order of the instrument's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sources:
    """Who knows how it is."""

    roster: Roster
    waiting: Waiting
    chores: Chores
    dead_letters: DeadLetters
    collections: Collections
    files: IndexFiles
    spool: Disk
    """Where files wait to be read."""
    renditions: Renditions
    rebuilds: Rebuilds
    messages: Messages
    most_collections: int
    """How many collections are told of one by one: those with the most documents."""


def survey(sources: Sources) -> Sequence[Sample]:
    """Return every gauge that the catalog and the index files know.

    Raises:
        CatalogUnavailable, IndexUnavailable
    """
    parts: tuple[Callable[[Sources], Iterator[Sample]], ...] = (
        _backlog,
        _files,
        _rebuilds,
        _leases,
        _processes,
        _losses,
        _collections,
    )
    return [sample for part in parts for sample in part(sources)]


def ask_broker(messages: Messages) -> Sequence[Sample]:
    """Return the gauges that only the broker knows; it may take seconds to find that it is away."""
    try:
        queued = messages.waiting()
    except BrokerUnavailable:
        return [Sample(measured.BROKER_UP, 0)]
    return [Sample(measured.BROKER_UP, 1), Sample(measured.QUEUED, queued)]


def _backlog(sources: Sources) -> Iterator[Sample]:
    lanes = {one.lane: one for one in sources.waiting.lanes()}
    for lane in Lane:
        name, found = (lane.name.lower(),), lanes.get(lane)
        yield Sample(measured.BACKLOG, found.load.documents if found else 0, name)
        yield Sample(measured.BACKLOG_CHARACTERS, found.load.characters if found else 0, name)
        yield Sample(measured.BACKLOG_AGE, found.oldest_seconds if found else 0, name)
    yield Sample(measured.CLAIMED, sources.roster.backlog()["claimed"])


def _files(sources: Sources) -> Iterator[Sample]:
    found = sources.waiting.files()
    yield Sample(measured.FILES_WAITING, found.waiting)
    yield Sample(measured.FILES_BYTES, found.bytes)
    yield Sample(measured.FILES_AGE, found.oldest_seconds)
    yield Sample(measured.FILES_CLAIMED, found.being_read)


def _rebuilds(sources: Sources) -> Iterator[Sample]:
    states = Counter(one.state for one in under_way(sources.renditions, sources.rebuilds))
    for state in RebuildState:
        if not state.ended:
            yield Sample(measured.REBUILDS, states[state], (state.value,))


def _leases(sources: Sources) -> Iterator[Sample]:
    now, holders = sources.roster.now(), sources.waiting.holders()
    yield Sample(measured.CLAIMS_ACTIVE, len(holders))
    yield Sample(measured.CLAIMS_OVERDUE, sum(one.lease_until < now for one in holders))
    newest = sources.chores.chores(limit=_MOST_CHORES)
    active = Counter(one.kind.value for one in newest if one.state is ChoreState.ACTIVE)
    for kind, count in active.items():
        yield Sample(measured.CHORES, count, (kind,))


def _processes(sources: Sources) -> Iterator[Sample]:
    alive = sources.roster.processes(within_seconds=ALIVE_SECONDS)
    kinds = ("index", "intake", "parser", "upkeep", "web")
    by_kind: dict[str, list[Process]] = {kind: [] for kind in kinds}
    for one in alive:
        by_kind.setdefault(one.kind, []).append(one)
    for kind, group in by_kind.items():
        sizes = [one.condition.memory_bytes for one in group]
        troubled = sum(one.condition.trouble is not None for one in group)
        yield Sample(measured.PROCESSES, len(group), (kind,))
        yield Sample(measured.TROUBLED, troubled, (kind,))
        yield Sample(measured.MEMORY, sum(sizes), (kind,))
        yield Sample(measured.LARGEST, max(sizes, default=0), (kind,))
    yield Sample(measured.SEARCHING, sum(one.condition.searches for one in alive))
    yield Sample(measured.BEHIND, max((one.condition.behind for one in alive), default=0))


def _losses(sources: Sources) -> Iterator[Sample]:
    yield Sample(measured.DEAD_LETTERS, sources.dead_letters.count(most=_MOST_COUNTED))
    yield Sample(measured.DAMAGES, len(sources.chores.damages()))
    free = sources.files.free_bytes()
    if free is not None:
        yield Sample(measured.DISK_FREE, free)
    if (spool := sources.spool.free_bytes()) is not None:
        yield Sample(measured.SPOOL_FREE, spool)


def _collections(sources: Sources) -> Iterator[Sample]:
    largest = sorted(sources.collections.stats(), key=lambda one: one.documents, reverse=True)
    for one in largest[: sources.most_collections]:
        name = (one.collection.name,)
        yield Sample(measured.COLLECTION_DOCUMENTS, one.documents, name)
        yield Sample(measured.COLLECTION_VECTORS, one.vectors, name)
        yield Sample(measured.COLLECTION_SEGMENTS, one.segments, name)
        yield Sample(measured.COLLECTION_BYTES, one.bytes, name)
        yield Sample(measured.COLLECTION_VERSION, one.version, name)
        yield Sample(measured.COLLECTION_WAITING, one.waiting, name)
        if recall := sources.chores.recall(one.collection.id):
            yield Sample(measured.RECALL, recall.recall, name)
