"""Make a collection of an archive that another Lamina, or this one, has written."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from shared.domain import (
    ArchivedDocument,
    Collection,
    DocumentLimits,
    EncoderCard,
    Lane,
    SpaceDraft,
    State,
    Submission,
    Vectors,
    sha256_of,
)
from shared.errors import (
    ArchiveRefused,
    CollectionExists,
    CollectionNotFound,
    EncoderNotInstalled,
)
from shared.ports import Collections, Encoders, Step
from shared.transfer.archives import documents as lines
from shared.transfer.archives.header import Header
from shared.transfer.archives.reading import Archive, check
from shared.transfer.delivering import Dock, Parcel, deliver

SOURCE = "import"
"""Who sends what is imported."""

MOST_DOCUMENTS = 500
"""Documents of one batch. It and the next are part of an import's keys: never change them."""

MOST_VECTORS = 10_000
"""Vectors of one batch, unless one document has more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Imported:
    """What came of an import."""

    collection: str
    counts: Mapping[State, int]
    """Documents by state; more than `indexed` and `unchanged` if others work on them too."""

    @property
    def waiting(self) -> int:
        """Documents that are not finished; workers encode them."""
        return sum(count for state, count in self.counts.items() if not state.finished)


def import_archive(
    dock: Dock,
    collections: Collections,
    encoders: Encoders,
    path: Path,
    *,
    name: str | None,
    limits: DocumentLimits,
    step: Step,
) -> Imported:
    """Check a whole archive, then make its collection, with its vectors as they are.

    If it stops in between, run it again: it goes on with the first batch that is missing.

    Args:
        dock: what publishing works with.
        collections: where the collection is made.
        encoders: those installed here; one must be the archive's, to encode queries.
        path: the archive.
        name: of the new collection; by default its name in the archive.
        limits: what documents may hold here.
        step: called with (documents, all documents): once while checking, once while importing.

    Raises:
        ArchiveRefused: the archive is damaged or not one of Lamina's; nothing was changed.
        EncoderNotInstalled: the archive's encoder is not installed here; nothing was changed.
        CollectionExists: the name is taken, and not by an import of this archive.
        InvalidRequest: the name cannot be that of a collection.
    """
    archive = check(path, limits, step)
    collection = _open_collection(dock, collections, encoders, archive, name)
    counts: Counter[State] = Counter()
    batches = archive.batches(most_documents=MOST_DOCUMENTS, most_vectors=MOST_VECTORS)
    for number, (documents, vectors) in enumerate(batches):
        submission = _submission(archive, collection, number, documents)
        counts.update(deliver(dock, collection, _parcel(submission, documents, vectors)))
        step(counts.total(), archive.header.documents)
    return Imported(collection=collection.name, counts=counts)


def _open_collection(
    dock: Dock, collections: Collections, encoders: Encoders, archive: Archive, name: str | None
) -> Collection:
    """Make the collection, or return the one that an import of this archive has made."""
    header = archive.header
    draft = _draft(encoders, header)
    wanted = name or header.collection
    try:
        found = collections.get(wanted)
    except CollectionNotFound:
        return collections.create(
            wanted, draft, index=header.index_rule, retention=header.retention_rule
        )
    _check_same_import(dock, found, draft, archive)
    return found


def _draft(encoders: Encoders, header: Header) -> SpaceDraft:
    space = header.space
    card = _card(encoders.cards(), header)
    if card.dimension != space.dimension:
        raise ArchiveRefused(
            f"{card.name} gives {card.dimension} dimensions; the archive says {space.dimension}."
        )
    return SpaceDraft(encoder=card, metric=space.metric, chunking=header.chunking)


def _card(cards: Sequence[EncoderCard], header: Header) -> EncoderCard:
    space = header.space
    for card in cards:
        if card.fingerprint == space.fingerprint:
            return card
    namesake = any(card.name == space.encoder for card in cards)
    raise EncoderNotInstalled(
        f"The archive was encoded with {space.encoder} (fingerprint {space.fingerprint[:16]}), "
        + (
            "and the encoder installed here under that name is another one: "
            "install the right revision under another name with "
            f"`lamina models pull {space.encoder} --revision … --name …`."
            if namesake
            else f"which is not installed; `lamina models pull {space.encoder}` installs it."
        )
    )


def _check_same_import(dock: Dock, found: Collection, draft: SpaceDraft, archive: Archive) -> None:
    """Let an import go on in the collection that it made before it stopped.

    Dying between making the collection and the first batch leaves an empty one.
    """
    begun = any(
        entry.collection == found.name and entry.source == SOURCE
        for entry in dock.inbox.receipts(_key(archive, 0))
    )
    space = found.space
    same = (space.fingerprint, space.metric, space.chunking) == (
        draft.encoder.fingerprint,
        draft.metric,
        draft.chunking,
    )
    empty = not dock.records.jobs(limit=1, collection=found.name)
    if not begun and not (same and empty):
        raise CollectionExists(
            f"The collection {found.name!r} exists, and was not made of this archive; choose "
            "another name with --collection."
        )


def _key(archive: Archive, number: int) -> str:
    return f"{archive.sha256}-{number}"


def _submission(
    archive: Archive, collection: Collection, number: int, documents: Sequence[ArchivedDocument]
) -> Submission:
    return Submission(
        collection=collection.name,
        source=SOURCE,
        documents=tuple(
            lines.new_document(document, replace(archive.limits, documents=1))
            for document in documents
        ),
        origins={one.id: one.origin for one in documents if one.origin is not None},
        key=_key(archive, number),
        content_sha256=sha256_of([archive.sha256, number]),
        lane=Lane.REBUILD,
    )


def _parcel(
    submission: Submission, documents: Sequence[ArchivedDocument], vectors: Vectors
) -> Parcel:
    ends = np.cumsum([len(document.chunks) for document in documents])
    parts = np.split(vectors, ends[:-1])
    return Parcel(
        submission=submission,
        spans={
            document.id: tuple((one.start, one.end, one.tokens) for one in document.chunks)
            for document in documents
        },
        vectors={document.id: part for document, part in zip(documents, parts, strict=True)},
    )
