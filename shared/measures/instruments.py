"""Every measure by name, as `/metrics` shows it; `docs/operation/README.md` lists the same.

Names and units follow Prometheus' conventions (base units, `_total` for counters). Labels have few
values: kinds, stages, lanes, routes; collections only in gauges, and only so many.
"""

from dataclasses import dataclass
from enum import StrEnum

_QUICK = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)
"""Seconds that a person may wait."""
_WORK = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 120.0)
"""Seconds that a worker may take."""
_WAITS = (
    *(0.1, 0.25, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0),
    *(60.0, 120.0, 300.0, 600.0, 1800.0, 3600.0, 21_600.0),
)
"""Seconds in a queue."""
_SIZES = (1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 512.0)


class Kind(StrEnum):
    """How an instrument behaves."""

    COUNTER = "counter"
    """Only grows. Counted by all processes, added up in the catalog."""
    HISTOGRAM = "histogram"
    """Only grows; as counters are."""
    GAUGE = "gauge"
    """How it is now. Read when it is asked for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Instrument:
    """One measure."""

    kind: Kind
    name: str
    about: str
    labels: tuple[str, ...] = ()
    buckets: tuple[float, ...] = ()
    """Upper borders, rising, without infinity; only of histograms."""


def _counter(name: str, about: str, *labels: str) -> Instrument:
    return Instrument(kind=Kind.COUNTER, name=name, about=about, labels=labels)


def _histogram(name: str, about: str, *labels: str, buckets: tuple[float, ...]) -> Instrument:
    return Instrument(kind=Kind.HISTOGRAM, name=name, about=about, labels=labels, buckets=buckets)


def _gauge(name: str, about: str, *labels: str) -> Instrument:
    return Instrument(kind=Kind.GAUGE, name=name, about=about, labels=labels)


DOCUMENTS = _counter(
    "lamina_documents_total",
    "Documents that index workers brought to an end, by how: indexed, unchanged, superseded, "
    "failed.",
    "outcome",
)
TOKENS = _counter("lamina_encoded_tokens_total", "Tokens of documents that were encoded.")
PADDED_TOKENS = _counter(
    "lamina_encoded_padded_tokens_total",
    "Tokens that were computed for them, padding included.",
)
CLAIMS = _counter(
    "lamina_claims_total",
    "Claims that ended, by how: closed, given_back (a fault of no document), accused (memory ran "
    "out), fenced (taken away).",
    "ending",
)
FILES = _counter(
    "lamina_files_total", "Files that parsers brought to an end, by how: read, refused.", "outcome"
)
MESSAGES = _counter(
    "lamina_messages_total",
    "Messages of other apps that an intake took: accepted, repeated, rejected.",
    "outcome",
)
REQUESTS = _counter(
    "lamina_http_requests_total",
    "HTTP requests answered, by route template.",
    "method",
    "route",
    "status",
)
CLAIM_DOCUMENTS = _histogram(
    "lamina_claim_documents", "Documents that a worker took together.", buckets=_SIZES
)
PASS_PASSAGES = _histogram(
    "lamina_pass_passages", "Passages in one forward pass of the encoder.", buckets=_SIZES
)
PASS_SECONDS = _histogram(
    "lamina_pass_seconds", "Duration of one forward pass of the encoder.", buckets=_WORK
)
INDEX_STAGE = _histogram(
    "lamina_index_stage_seconds",
    "How long a claim spent in each stage: plan, encode (cutting included), write, publish.",
    "stage",
    buckets=_WORK,
)
FILE_SECONDS = _histogram(
    "lamina_file_seconds",
    "How long a parser took for a file that it brought to an end.",
    buckets=_WORK,
)
SEARCHABLE = _histogram(
    "lamina_searchable_seconds",
    "From a document's acceptance until a web process had loaded the version that holds it.",
    buckets=_WAITS,
)
SEARCH_STAGE = _histogram(
    "lamina_search_stage_seconds",
    "How long a search spent in each stage: wait (for a job), encode, search, fetch, total.",
    "stage",
    buckets=_QUICK,
)
REQUEST_SECONDS = _histogram(
    "lamina_http_request_seconds",
    "Duration of HTTP requests until their last byte, by route template.",
    "route",
    buckets=_QUICK,
)

BUILD = _gauge("lamina_build_info", "Always 1; its labels say what runs.", "version", "schema")
CATALOG_UP = _gauge("lamina_catalog_up", "1 while the catalog answers; else all other gauges lack.")
BACKLOG = _gauge("lamina_backlog_documents", "Documents that no worker holds yet.", "lane")
BACKLOG_CHARACTERS = _gauge("lamina_backlog_characters", "Characters of those documents.", "lane")
BACKLOG_AGE = _gauge(
    "lamina_backlog_oldest_seconds",
    "Age of the oldest of them, of a rebuild since it began; 0 where none waits.",
    "lane",
)
FILES_WAITING = _gauge("lamina_backlog_files", "Files that no parser holds yet.")
FILES_BYTES = _gauge("lamina_backlog_files_bytes", "Size of those files.")
FILES_AGE = _gauge(
    "lamina_backlog_files_oldest_seconds", "Age of the oldest of them; 0 where none waits."
)
FILES_CLAIMED = _gauge("lamina_claimed_files", "Files that parsers hold.")
REBUILDS = _gauge(
    "lamina_rebuilds",
    "Rebuilds under way, by state: building, blocked (somebody must decide), swapping.",
    "state",
)
CLAIMED = _gauge("lamina_claimed_documents", "Documents that workers hold.")
CLAIMS_ACTIVE = _gauge("lamina_claims_active", "Claims under way.")
CLAIMS_OVERDUE = _gauge(
    "lamina_claims_overdue", "Claims whose lease ran out and that upkeep has not taken back yet."
)
CHORES = _gauge("lamina_chores_active", "Upkeep under way.", "kind")
DEAD_LETTERS = _gauge(
    "lamina_dead_letters", "Documents that failed and messages that were refused, up to 10,000."
)
DAMAGES = _gauge("lamina_damaged_files", "Damaged files in quarantine.")
BROKER_UP = _gauge("lamina_broker_up", "1 while the broker answers.")
QUEUED = _gauge("lamina_queue_messages", "Messages of other apps that no intake has taken yet.")
PROCESSES = _gauge("lamina_processes", "Processes alive.", "kind")
TROUBLED = _gauge(
    "lamina_processes_in_trouble", "Those of them that do not get on with their work.", "kind"
)
MEMORY = _gauge("lamina_resident_memory_bytes", "Their resident memory together.", "kind")
LARGEST = _gauge("lamina_largest_process_bytes", "Resident memory of the largest one.", "kind")
SEARCHING = _gauge("lamina_searches_in_flight", "Searches under way in all web processes.")
BEHIND = _gauge(
    "lamina_versions_behind",
    "By how many versions the reader that is farthest behind is so; about 0 while all is well.",
)
DISK_FREE = _gauge(
    "lamina_disk_free_bytes",
    "Free space where segments lie, for object storage where their copies do; of the host that "
    "answers.",
)
SPOOL_FREE = _gauge(
    "lamina_spool_free_bytes", "Free space where files wait to be read; of the host that answers."
)
COLLECTION_DOCUMENTS = _gauge(
    "lamina_collection_documents", "Live documents; of the largest collections.", "collection"
)
COLLECTION_VECTORS = _gauge("lamina_collection_vectors", "Live vectors.", "collection")
COLLECTION_SEGMENTS = _gauge("lamina_collection_segments", "Segments.", "collection")
COLLECTION_BYTES = _gauge("lamina_collection_bytes", "Size of the segments.", "collection")
COLLECTION_VERSION = _gauge("lamina_collection_version", "The newest version.", "collection")
COLLECTION_WAITING = _gauge(
    "lamina_collection_waiting_documents", "Documents accepted and not settled.", "collection"
)
RECALL = _gauge(
    "lamina_live_recall",
    "Share of the exact best ten that sampled live searches found lately; missing without any.",
    "collection",
)

INSTRUMENTS: tuple[Instrument, ...] = tuple(
    value for value in list(globals().values()) if isinstance(value, Instrument)
)
"""All of them, in this order."""
