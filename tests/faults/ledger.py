"""The client's side of the truth: what was acknowledged, compared with catalog and index files.

    ledger = Ledger()
    ledger.acknowledge(job, documents)          # after the 202, or the receipt
    ledger.acknowledge_deletion(job, "d1")
    ledger.judge(database, store, "notes").check()

Works on a small world and on a whole running Lamina, on either database.
"""

import random
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

import httpx
from sqlalchemy import Connection, text

from shared.catalog import Database, SqlCollections, SqlReading, SqlVersions
from shared.domain import Collection, Head, KeptVersion, State
from shared.errors import CorruptFile
from shared.index import FolderIndexStore
from shared.indexing.publishing import read_manifest
from tests.heads import head_of_kept

_NEWEST = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One acknowledged change of one document."""

    id: str
    job: str
    title: str
    text: str
    deleted: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Fate:
    """What the catalog says became of an entry."""

    state: State
    error: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Live:
    """What one vector of the head stands for."""

    id: str
    revision_id: int
    title: str
    passage: str

    def says(self, entry: Entry) -> bool:
        """Whether it is what *entry* put there (a long text may be cut off at its end)."""
        return self.title == entry.title and entry.text.startswith(self.passage)


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """All that is judged: the catalog's side and the files' side, read after quiet."""

    fates: Mapping[tuple[str, str], Fate]
    """By job and document."""
    live: Sequence[Live]
    """Every vector that the head's files hold."""
    live_revisions: frozenset[int]
    """Revisions that the catalog calls live at the head."""
    waiting: int
    """Revisions of the collection that are pending or claimed."""
    claims: int
    """Active claims."""
    attempts: int
    """Active attempts to publish in the collection."""
    damaged: Sequence[str] = ()
    """Kept versions with a file that is missing or not what its checksum says."""
    versions: int = 0
    """The head's number."""
    kept: int = 0
    segments: int = 0
    orphans: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """The ledger against the evidence. What is wrong is in tuples, each with its own name."""

    acknowledged: int
    """Changes of documents that Lamina said it has."""
    documents: int
    """Different documents among them."""
    indexed: int
    """Documents in the head's files."""
    states: Mapping[str, int]
    """Acknowledged changes by the state they ended in."""
    versions: int
    kept: int
    """Versions that can be searched, every file of which was verified."""
    segments: int
    orphans: int
    """Segment folders on disk that no version names: left by the dead, invisible."""
    lost: tuple[str, ...]
    """Acknowledged, and the catalog or the index knows nothing of it."""
    twice: tuple[str, ...]
    """Live more than once."""
    stale: tuple[str, ...]
    """Live with other content than what was acknowledged last."""
    undead: tuple[str, ...]
    """Live, though its last acknowledged change deleted it, or all of them failed."""
    strangers: tuple[str, ...]
    """Live, and nobody was told that it is accepted."""
    unfinished: tuple[str, ...]
    """Still pending or claimed."""
    unexplained: tuple[str, ...]
    """Failed without a reason."""
    disagreeing: tuple[str, ...]
    """Live in the catalog and not in the files, or the reverse."""
    left: tuple[str, ...]
    """Claims, attempts or revisions that somebody still seems to work on."""
    damaged: tuple[str, ...]

    @property
    def problems(self) -> Mapping[str, tuple[str, ...]]:
        """What is wrong, by name; the names with nothing wrong are there too."""
        found = {one.name: getattr(self, one.name) for one in fields(self)}
        return {name: value for name, value in found.items() if isinstance(value, tuple)}

    def check(self) -> None:
        """Assert that all was kept that was acknowledged; the message begins with `[name]`."""
        for name, found in self.problems.items():
            assert not found, f"[{name}] {len(found)}: {', '.join(found[:5])}"


class Ledger:
    """What was acknowledged, in order. For any number of threads.

    The order counts for each document alone, so one thread at a time may change a document.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._entries: list[Entry] = []

    def __len__(self) -> int:
        with self._lock:
            return len(self._entries)

    @property
    def entries(self) -> Sequence[Entry]:
        """All of them, oldest first."""
        with self._lock:
            return tuple(self._entries)

    def sample(self, chance: random.Random) -> Entry | None:
        """Return any entry, one of the newest every other time; None while there is none."""
        with self._lock:
            if not self._entries:
                return None
            newest = max(0, len(self._entries) - _NEWEST) if chance.random() < 0.5 else 0
            return self._entries[chance.randrange(newest, len(self._entries))]

    def acknowledge(self, job: str, documents: Sequence[Mapping[str, Any]]) -> None:
        """Remember that Lamina said it has these documents (`id`, `title`, `text`)."""
        self._add(
            Entry(id=one["id"], job=job, title=one.get("title", ""), text=one.get("text", ""))
            for one in documents
        )

    def acknowledge_deletion(self, job: str, *ids: str) -> None:
        """Remember that Lamina said it deletes these."""
        self._add(Entry(id=one, job=job, title="", text="", deleted=True) for one in ids)

    def _add(self, entries: Any) -> None:
        with self._lock:
            self._entries.extend(entries)

    def judge(self, database: Database, store: FolderIndexStore, collection: str) -> Verdict:
        """Compare with the catalog and with every file of every kept version, checksums and all.

        Call it after quiet. Each document of the collection must have one passage (chunking
        `none`).
        """
        return compare(self.entries, gather(database, store, collection))


def compare(entries: Sequence[Entry], evidence: Evidence) -> Verdict:
    """Return what is wrong with *evidence*, if everything in *entries* was acknowledged."""
    fates = evidence.fates
    history: defaultdict[str, list[Entry]] = defaultdict(list)
    for entry in entries:
        history[entry.id].append(entry)
    expected = {name: _expected(changes, fates) for name, changes in history.items()}
    wanted = {name: entry for name, entry in expected.items() if entry and not entry.deleted}
    counts = Counter(one.id for one in evidence.live)
    unknown = [one.id for one in entries if (one.job, one.id) not in fates]
    known = [(one, fates[one.job, one.id]) for one in entries if (one.job, one.id) in fates]
    return Verdict(
        acknowledged=len(entries),
        documents=len(history),
        indexed=len(counts),
        states=dict(Counter(str(fate.state) for _, fate in known)),
        versions=evidence.versions,
        kept=evidence.kept,
        segments=evidence.segments,
        orphans=evidence.orphans,
        lost=_sorted(unknown + [name for name in wanted if name not in counts]),
        twice=_sorted(name for name, count in counts.items() if count > 1),
        stale=_sorted(
            one.id for one in evidence.live if one.id in wanted and not one.says(wanted[one.id])
        ),
        undead=_sorted(name for name in counts if name in expected and name not in wanted),
        strangers=_sorted(name for name in counts if name not in expected),
        unfinished=_sorted(one.id for one, fate in known if not fate.state.finished),
        unexplained=_sorted(
            one.id for one, fate in known if fate.state is State.FAILED and not fate.error
        ),
        disagreeing=_sorted(
            f"revision {one}"
            for one in evidence.live_revisions ^ {one.revision_id for one in evidence.live}
        ),
        left=_left(evidence),
        damaged=tuple(evidence.damaged),
    )


def _expected(changes: Sequence[Entry], fates: Mapping[tuple[str, str], Fate]) -> Entry | None:
    """Return the last change that took effect: none that failed or was cancelled did."""
    for entry in reversed(changes):
        fate = fates.get((entry.job, entry.id))
        if fate is None or fate.state not in (State.FAILED, State.CANCELLED):
            return entry
    return None


def _left(evidence: Evidence) -> tuple[str, ...]:
    found = {
        "waiting revisions": evidence.waiting,
        "active claims": evidence.claims,
        "active attempts": evidence.attempts,
    }
    return tuple(f"{count} {name}" for name, count in found.items() if count)


def _sorted(names: Any) -> tuple[str, ...]:
    return tuple(sorted(set(names)))


def gather(database: Database, store: FolderIndexStore, name: str) -> Evidence:
    """Read what the catalog and the files of a collection say."""
    collection = SqlCollections(database).get(name)
    with database.read() as tx:
        fates = _fates(tx, collection.id)
        live_revisions = _numbers(tx, _LIVE, collection.id)
        waiting, claims, attempts = (_count(tx, one, collection.id) for one in _OPEN)
    reading = SqlReading(database)
    head = reading.heads()[collection.id]
    manifest = read_manifest(store, head, collection)
    ids = [int(one) for one in store.open(manifest).ids()]
    records = reading.passages(ids)
    kept = [one for one in SqlVersions(database).kept(collection.id) if one.expired_at is None]
    damaged, named = _verify(store, collection, kept)
    return Evidence(
        fates=fates,
        live=[
            Live(
                id=records[one].external_id,
                revision_id=records[one].revision_id,
                title=records[one].title,
                passage=records[one].passage,
            )
            for one in ids
        ],
        live_revisions=live_revisions,
        waiting=waiting,
        claims=claims,
        attempts=attempts,
        damaged=damaged,
        versions=head.version,
        kept=len(kept),
        segments=len(manifest.segments),
        orphans=len(_segments_on_disk(store, collection.id) - named),
    )


def _verify(
    store: FolderIndexStore, collection: Collection, kept: Sequence[KeptVersion]
) -> tuple[list[str], set[str]]:
    """Open every kept version; return what is damaged, and the names of their segments."""
    damaged, named = [], set()
    for version in kept:
        head: Head = head_of_kept(collection.id, version)
        try:
            manifest = read_manifest(store, head, collection)
            store.open(manifest)
        except CorruptFile as error:
            damaged.append(f"version {version.version}: {error}")
        else:
            named |= {segment.id for segment in manifest.segments}
    return damaged, named


def _segments_on_disk(store: FolderIndexStore, collection_id: int) -> set[str]:
    keys = (entry.key.split("/") for entry in store.entries(collection_id))
    return {parts[-1] for parts in keys if "segments" in parts}


def _fates(tx: Connection, collection_id: int) -> dict[tuple[str, str], Fate]:
    rows = tx.execute(_FATES, {"collection": collection_id})
    return {
        (row.job_id, row.external_id): Fate(state=State(row.state), error=row.error) for row in rows
    }


def _numbers(tx: Connection, query: Any, collection_id: int) -> frozenset[int]:
    return frozenset(tx.scalars(query, {"collection": collection_id}))


def _count(tx: Connection, query: Any, collection_id: int) -> int:
    return int(tx.scalar(query, {"collection": collection_id}) or 0)


_FATES = text(
    "SELECT r.job_id, d.external_id, r.state, r.error FROM revisions r"
    " JOIN documents d ON d.id = r.document_id WHERE r.collection_id = :collection"
)
_LIVE = text(
    "SELECT revision_id FROM liveness"
    " WHERE collection_id = :collection AND to_version IS NULL AND kind = 'put'"
)
_OPEN = (
    text(
        "SELECT count(*) FROM revisions"
        " WHERE collection_id = :collection AND state IN ('pending', 'claimed')"
    ),
    text("SELECT count(*) FROM claims WHERE state = 'active' AND :collection > 0"),
    text(
        "SELECT count(*) FROM attempts"
        " WHERE collection_id = :collection AND state = 'active' AND claim_id IS NOT NULL"
    ),
)


def wait_until_quiet(url: str, seconds: float) -> None:
    """Wait until nothing is pending or claimed.

    Raises:
        TimeoutError: something still waits after *seconds*.
    """
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            backlog = httpx.get(f"{url}/api/v1/status", timeout=5).json()["backlog"]
        except (httpx.HTTPError, KeyError, ValueError):
            backlog = {"pending": 1, "claimed": 0}
        if not backlog["pending"] and not backlog["claimed"]:
            return
        time.sleep(0.25)
    raise TimeoutError(f"Still waiting after {seconds} s: {backlog}")
