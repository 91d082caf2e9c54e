"""The client's side of the truth: what was acknowledged, compared with the index files."""

import threading
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import httpx

from shared.catalog import Database, SqlCollections, SqlReading, SqlVersions
from shared.index import FolderIndexStore
from shared.indexing.publishing import read_manifest


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What the index files hold, against the ledger."""

    acknowledged: int
    indexed: int
    lost: tuple[str, ...]
    twice: tuple[str, ...]
    segments: int
    orphans: int
    """Segment folders on disk that no version names: left by the dead, invisible."""
    versions: int

    def check(self) -> None:
        """Assert that nothing acknowledged is missing and nothing is there twice."""
        assert self.lost == (), f"{len(self.lost)} acknowledged documents are not indexed"
        assert self.twice == (), f"{len(self.twice)} documents are indexed twice"


class Ledger:
    """Ids of documents whose submission was acknowledged. For any number of threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._acknowledged: set[str] = set()

    def __len__(self) -> int:
        with self._lock:
            return len(self._acknowledged)

    def acknowledge(self, *ids: str) -> None:
        """Remember that Lamina said it has these."""
        with self._lock:
            self._acknowledged.update(ids)

    def judge(self, data_dir: Path, collection_name: str) -> Verdict:
        """Read the head's manifest and every segment file, checksums and all.

        Each document of the collection must have one passage (chunking `none`).

        Raises:
            CorruptFile: a file that the head names is missing or damaged.
        """
        database = Database(f"sqlite:///{data_dir / 'catalog.db'}")
        try:
            collection = SqlCollections(database).get(collection_name)
            reading = SqlReading(database)
            head = reading.heads()[collection.id]
            store = FolderIndexStore(data_dir / "index")
            manifest = read_manifest(store, head, collection)
            ids = [int(one) for one in store.open(manifest).ids()]
            records = reading.passages(ids)
            found = Counter(records[one].external_id for one in ids)
            named = {
                segment.id
                for kept in SqlVersions(database).kept(collection.id)
                if kept.expired_at is None
                for segment in store.read_manifest(
                    reading.version(collection.id, kept.version)
                ).segments
            }
            on_disk = {
                folder.name
                for folder in (data_dir / "index" / str(collection.id) / "segments").iterdir()
            }
        finally:
            database.close()
        with self._lock:
            return Verdict(
                acknowledged=len(self._acknowledged),
                indexed=len(found),
                lost=tuple(sorted(self._acknowledged - found.keys())),
                twice=tuple(sorted(name for name, count in found.items() if count > 1)),
                segments=len(manifest.segments),
                orphans=len(on_disk - named),
                versions=head.version,
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
