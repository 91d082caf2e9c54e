"""Take in documents that another program has gathered, with vectors it may have computed."""

import random
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from shared.domain import (
    Collection,
    DocumentLimits,
    Lane,
    Passage,
    Receipt,
    State,
    Submission,
    Vectors,
    sha256_of,
)
from shared.errors import ArchiveRefused, InvalidRequest, Overloaded
from shared.indexing.vectors import prepare, storable
from shared.ingest import submit
from shared.ports import Bell, Encoder, Encoders, Step
from shared.transfer.archives import sums
from shared.transfer.archives.rows import Row, Rows
from shared.transfer.delivering import Dock, Parcel, deliver
from shared.transfer.importing import MOST_DOCUMENTS, SOURCE, Imported

LEAST_COSINE = 0.98
"""How close a sampled text's vector must be to what the collection's encoder makes of it. fp16 and
other hardware stay above 0.999; the same model with another pooling or prompt falls below."""

_PATIENCE_SECONDS = 3600

SAMPLE = 8
"""Texts that are encoded to compare."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Consignment:
    """What somebody brings: a file, perhaps with an array of vectors beside it."""

    path: Path
    vectors: Path | None = None
    encoder_matches: bool = False
    """Whether the user says that the vectors come from the collection's own encoder."""


def import_rows(
    dock: Dock,
    bell: Bell,
    encoders: Encoders,
    collection: Collection,
    consignment: Consignment,
    *,
    limits: DocumentLimits,
    step: Step,
) -> Imported:
    """Check every row, then add them all to *collection*; ids that exist are replaced.

    Rows without vectors are encoded by workers. With vectors, each text must fit one passage,
    since a vector stands for all of it, and a sample is encoded and compared: vectors of
    another model would be found, but never for the right reasons.

    Raises:
        ArchiveRefused: a row, a vector, or the sample is wrong; nothing was changed.
        InvalidRequest: vectors, and nobody said that the encoder is the same.
        EncoderNotInstalled: vectors, and the collection's encoder is not here.
    """
    rows = Rows(
        path=consignment.path,
        vectors=consignment.vectors,
        dimension=collection.space.dimension,
        limits=limits,
    )
    survey = _survey(rows, encoders, collection, consignment)
    digest = _digest(consignment)
    counts: Counter[State] = Counter()
    for number, batch in enumerate(_batches(rows)):
        submission = Submission(
            collection=collection.name,
            source=SOURCE,
            documents=tuple(row.document for row in batch),
            key=f"{digest}-{number}",
            content_sha256=sha256_of([digest, number]),
            lane=Lane.BULK,
        )
        if survey.encoder is None:
            receipt = _hand_over(dock, bell, submission)
            counts.update(state for _, state in receipt.documents)
        else:
            parcel = _parcel(submission, batch, survey.encoder, collection)
            counts.update(deliver(dock, collection, parcel))
        step(counts.total(), survey.rows)
    return Imported(collection=collection.name, counts=counts)


def _hand_over(dock: Dock, bell: Bell, submission: Submission) -> Receipt:
    """Have a batch accepted, waiting while too much waits already.

    Raises:
        Overloaded: that lasted for an hour; the import goes on there when it is run again.
    """
    waited = 0
    while True:
        try:
            return submit(dock.inbox, bell, submission)
        except Overloaded as error:
            if waited >= _PATIENCE_SECONDS:
                raise
            waited += error.retry_after_seconds
            dock.sleep(error.retry_after_seconds)


@dataclass(slots=True)
class _Survey:
    """What the first reading of the rows has found."""

    rows: int = 0
    encoder: Encoder | None = None
    """Only if the rows bring vectors."""
    sample: list[Row] = field(default_factory=list)


def _survey(
    rows: Rows, encoders: Encoders, collection: Collection, consignment: Consignment
) -> _Survey:
    """Read every row once, so that nothing is changed when one of them is wrong."""
    found = _Survey()
    # Not for secrecy: any eight rows do, as long as the file's maker did not choose them.
    chance = random.Random(0)  # noqa: S311
    for row in rows:
        if found.rows == 0 and row.vector is not None:
            _check_told(consignment, collection)
            found.encoder = encoders.load(collection.space.fingerprint)
        if (row.vector is not None) != (found.encoder is not None):
            raise ArchiveRefused(f"{row.where}: some rows have a vector and some have none.")
        if found.encoder is not None:
            _passage(row, found.encoder, collection)
            _stored(row, collection)
        found.rows += 1
        # Vitter, "Random sampling with a reservoir", 1985, algorithm R.
        place = chance.randrange(found.rows)
        if len(found.sample) < SAMPLE:
            found.sample.append(row)
        elif place < SAMPLE:
            found.sample[place] = row
    if not found.rows:
        raise ArchiveRefused(f"{rows.path} holds no rows.")
    if found.encoder is not None:
        _compare(found.sample, found.encoder, collection)
    return found


def _check_told(consignment: Consignment, collection: Collection) -> None:
    if not consignment.encoder_matches:
        raise InvalidRequest(
            f"{consignment.path} brings vectors. They make sense only if the encoder of "
            f"{collection.name!r}, {collection.space.encoder}, made them: say so with "
            "--encoder-matches, or leave the vectors out and have the texts encoded here."
        )


def _passage(row: Row, encoder: Encoder, collection: Collection) -> Passage:
    """Return the one passage that a row's vector stands for."""
    document = row.document
    chunked = encoder.chunk(document.title, document.text, collection.space.chunking)
    whole = len(chunked.passages) == 1 and chunked.passages[0].start == 0
    if not whole or chunked.passages[0].end < len(document.text.rstrip()):
        raise ArchiveRefused(
            f"{row.where}: its text does not fit one passage of {collection.space.encoder}, so "
            "one vector cannot stand for it. Cut it before, or leave the vectors out."
        )
    return chunked.passages[0]


def _compare(sample: Sequence[Row], encoder: Encoder, collection: Collection) -> None:
    """Refuse vectors that the collection's encoder would not have made."""
    made, _ = encoder.encode([_passage(row, encoder, collection) for row in sample])
    brought = np.stack([_vector(row) for row in sample])
    for row, cosine in zip(sample, _cosines(made, brought), strict=True):
        if cosine < LEAST_COSINE:
            raise ArchiveRefused(
                f"{row.where}: its vector is not what {encoder.card.name} makes of its text "
                f"(cosine {cosine:.3f}; at least {LEAST_COSINE} is wanted). Leave the vectors "
                "out and have the texts encoded here."
            )


def _cosines(left: Vectors, right: Vectors) -> NDArray[np.float64]:
    """Return the cosine of each pair of rows, `(n,)`; 0 where one of them is zero."""
    lengths = np.linalg.norm(left, axis=1) * np.linalg.norm(right, axis=1)
    products = np.einsum("ij,ij->i", left.astype(np.float64), right)
    cosines = np.zeros(len(left))
    np.divide(products, lengths, out=cosines, where=lengths > 0)
    return cosines


def _vector(row: Row) -> NDArray[np.float32]:
    if row.vector is None:
        raise ArchiveRefused(f"{row.where}: has no vector any more; the file was changed.")
    return row.vector


def _stored(row: Row, collection: Collection) -> Vectors:
    """Return a row's vector, `(1, dimension)`, as the collection keeps it."""
    vector = prepare(_vector(row)[None], collection.space.metric)
    if not storable(vector):
        raise ArchiveRefused(f"{row.where}: its vector has a value that fp16 cannot hold.")
    return vector


def _batches(rows: Rows) -> Iterator[Sequence[Row]]:
    left = iter(rows)
    while batch := list(islice(left, MOST_DOCUMENTS)):
        yield batch


def _digest(consignment: Consignment) -> str:
    """Return what names the files' contents in idempotency keys."""
    files = [one for one in (consignment.path, consignment.vectors) if one]
    return sha256_of([sums.of_file(one) for one in files])


def _parcel(
    submission: Submission, batch: Sequence[Row], encoder: Encoder, collection: Collection
) -> Parcel:
    spans, vectors = {}, {}
    for row in batch:
        passage = _passage(row, encoder, collection)
        spans[row.document.id] = ((passage.start, passage.end, passage.tokens),)
        vectors[row.document.id] = _stored(row, collection)
    return Parcel(submission=submission, spans=spans, vectors=vectors)
