"""A collection of vectors without texts worth speaking of: real catalog, real files, no encoder."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self

import numpy as np

from shared.domain import (
    Attempt,
    Chunking,
    ChunkSpan,
    Claim,
    Collection,
    Commit,
    EncoderCard,
    Head,
    IndexRule,
    Lane,
    Manifest,
    Metric,
    NewDocument,
    Outcome,
    Segment,
    SpaceDraft,
    State,
    Submission,
    Vectors,
    VersionKind,
)
from shared.errors import CollectionExists
from shared.index import FolderIndexStore, LocalFiles
from shared.index.disk import Disk
from shared.indexing.publishing import Publication, commit_until_settled, publish, read_manifest
from shared.ports import Snapshot
from shared.services import Services, open_services
from shared.settings import Settings

NAME = "vectors"
_HOLD_SECONDS = 3600.0


class CountingDisk(Disk):
    """A disk that counts the bytes written to it."""

    def __init__(self) -> None:
        self.written = 0

    def write(self, descriptor: int, content: bytes | memoryview) -> None:
        self.written += len(content)
        super().write(descriptor, content)


@dataclass(slots=True, kw_only=True)
class Library:
    """One collection, published to directly with vectors that somebody else made."""

    services: Services
    collection: Collection
    disk: CountingDisk
    store: FolderIndexStore
    documents: int = 0
    """Number of the next new document."""

    @classmethod
    def open(cls, folder: Path, dimension: int) -> Self:
        """Open the library in *folder*, making it the first time."""
        settings = Settings(data_dir=folder)
        services = open_services(settings)
        services.database.migrate()
        card = EncoderCard(name="none", fingerprint="0" * 64, dimension=dimension, max_tokens=8)
        draft = SpaceDraft(encoder=card, metric=Metric.COSINE, chunking=Chunking())
        try:
            collection = services.collections.create(NAME, draft)
        except CollectionExists:
            collection = services.collections.get(NAME)
        disk = CountingDisk()
        files = LocalFiles(folder / "index", disk, stamps=folder / "stamps")
        return cls(
            services=services,
            collection=collection,
            disk=disk,
            store=FolderIndexStore(folder / "index", files, merge=settings.merge),
        )

    def publish(self, vectors: Vectors, replaced: Sequence[int] = ()) -> float:
        """Make one version that holds *vectors* too; return the milliseconds that took.

        The first of them replace the documents numbered *replaced*; the others are new. What
        is timed is all that an index worker does once the vectors are there: registering the
        attempt, segment, delete sets, manifest, and the commit with every document's outcome.
        """
        claim = self._claim(len(vectors), replaced)
        started = time.perf_counter()
        attempt = self._register(len(vectors), claim.id)
        ids = np.arange(attempt.first_vector_id, attempt.first_vector_id + len(vectors))
        segment = self.store.write_segment(
            attempt,
            space_id=self.collection.space.id,
            metric=Metric.COSINE,
            ids=ids,
            vectors=vectors,
        )
        outcomes = (
            Outcome(
                revision=revision,
                state=State.INDEXED,
                chunks=(ChunkSpan(vector_id=int(one), start=0, end=1, tokens=1),),
            )
            for revision, one in zip(claim.revisions, ids, strict=True)
        )
        publish(
            self.services.publications,
            self.store,
            Publication(
                attempt=attempt,
                collection=self.collection,
                kind=VersionKind.COMMIT,
                claim_id=claim.id,
                proposals=tuple(outcomes),
                segment=segment,
            ),
        )
        return 1000 * (time.perf_counter() - started)

    def lay_out(self, rule: IndexRule, step: Callable[[], None] = lambda: None) -> Segment:
        """Make one segment of the whole head under *rule* and swap it in, as one version."""
        attempt = self._register(0)
        inputs = self.manifest().segments
        made = self.store.merge(attempt, inputs, Metric.COSINE, rule, lambda _done, _total: step())

        def fit() -> Commit:
            head, base = self.head(), self.manifest()
            manifest = replace(
                base,
                version=head.version + 1,
                kind=VersionKind.RELAY,
                attempt_id=attempt.id,
                parent_sha256=head.manifest_sha256 or None,
                segments=(made,),
            )
            file, sha256 = self.store.write_manifest(manifest)
            return Commit(
                attempt=attempt,
                parent=head,
                manifest=manifest,
                manifest_file=file,
                manifest_sha256=sha256,
                new_segments=(made,),
            )

        commit_until_settled(self.services.publications, attempt, fit)
        return made

    def head(self) -> Head:
        """Return the head."""
        return self.services.reading.heads()[self.collection.id]

    def manifest(self) -> Manifest:
        """Return the head's manifest."""
        return read_manifest(self.store, self.head(), self.collection)

    def snapshot(self) -> Snapshot:
        """Open the head."""
        return self.store.open(self.manifest())

    def documents_at_head(self) -> int:
        """Return how many documents the head holds."""
        return self.services.collections.stats()[0].documents

    def close(self) -> None:
        """Close the catalog."""
        self.services.close()

    def _claim(self, count: int, replaced: Sequence[int]) -> Claim:
        """Accept documents and take them, as a worker would."""
        first = self.documents
        self.documents += count - len(replaced)
        text = str(time.time_ns())
        receipt = self.services.inbox.accept(
            Submission(
                collection=NAME,
                source="benchmark",
                documents=tuple(
                    NewDocument(id=f"d{one}", text=text)
                    for one in (*replaced, *range(first, self.documents))
                ),
                lane=Lane.BULK,
            ),
            hold_seconds=_HOLD_SECONDS,
        )
        claim = self.services.claims.claim_job(
            receipt.job_id, "benchmark", max_documents=count, lease_seconds=_HOLD_SECONDS
        )
        if claim is None or len(claim.revisions) != count:
            raise RuntimeError(f"{count} documents were accepted, but not all could be taken.")
        return claim

    def _register(self, vectors: int, claim_id: int | None = None) -> Attempt:
        return self.services.publications.register(
            self.collection.id, vectors=vectors, claim_id=claim_id, worker="benchmark"
        )
