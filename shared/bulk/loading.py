"""Store a stream of lines in batches; tell of each line what became of it.

Batches are cut by the lines alone, and each is stored under a key made of the request's key and
the batch's place. So a request that is sent again, because it was cut off or its answer was lost,
finds what was stored already and goes on behind it.

Once something cannot be taken that could be later (too much waits, the disk is full, the catalog
is away), nothing behind it is taken either: else an older line, sent again, would come after a
newer one of the same document.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from shared.bulk.lines import Operation, read
from shared.bulk.streams import split
from shared.domain import (
    DocumentLimits,
    Lane,
    Receipt,
    RevisionKind,
    State,
    Submission,
    sha256_of,
)
from shared.errors import (
    CollectionNotFound,
    DocumentNotFound,
    InvalidRequest,
    LaminaError,
    OutOfSpace,
    Overloaded,
    Retryable,
    TooLarge,
)
from shared.ingest import submit
from shared.ports import Bell, Inbox

_STOPPING = (Overloaded, OutOfSpace, Retryable, CollectionNotFound)


@dataclass(frozen=True, slots=True, kw_only=True)
class BulkLimits:
    """How much a line and a batch may hold; see `LimitSettings`."""

    documents: DocumentLimits
    line_bytes: int
    line_values: int
    batch_bytes: int = 4 * 1024 * 1024
    """What a batch holds at most, unless a single line is longer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """Where lines go, and on whose behalf."""

    collection: str
    source: str
    producer: str = ""
    key: str | None = None
    lane: Lane = Lane.BULK


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What became of a line."""

    line: int
    """From 1; blank lines count, but have no result."""
    id: str | None = None
    """Of the document, where the line could be read."""
    state: State | None = None
    job_id: str | None = None
    repeated: bool = False
    """An earlier request with the same key had stored it."""
    error: LaminaError | None = None
    """Why nothing was changed."""


@dataclass(slots=True)
class _Batch:
    """Lines that are stored together."""

    entries: list[tuple[int, Operation | LaminaError]] = field(default_factory=list)
    size: int = 0

    @property
    def good(self) -> list[tuple[int, Operation]]:
        """The lines that can be done, with their numbers."""
        return [(line, one) for line, one in self.entries if isinstance(one, Operation)]


def load(
    inbox: Inbox, bell: Bell, chunks: Iterable[bytes], order: Load, limits: BulkLimits
) -> Iterator[Result]:
    """Store the lines of *chunks*; yield one result for each, in order, batch by batch.

    What was yielded is committed. The last batch is only stored when *chunks* came to their end:
    if they raise, its lines get no result and were not taken.

    Raises:
        Whatever *chunks* raise.
    """
    loader = _Loader(inbox, bell, order, limits)
    for batch in _batches(chunks, limits):
        yield from loader.store(batch)


def _batches(chunks: Iterable[bytes], limits: BulkLimits) -> Iterator[_Batch]:
    batch = _Batch()
    for number, raw in enumerate(split(chunks, limits.line_bytes), start=1):
        if raw is not None and not raw.strip():
            continue
        size = len(raw or b"")
        full = len(batch.entries) == limits.documents.documents
        if batch.entries and (full or batch.size + size > limits.batch_bytes):
            yield batch
            batch = _Batch()
        batch.entries.append((number, _operation(raw, limits)))
        batch.size += size
    if batch.entries:
        yield batch


def _operation(raw: bytes | None, limits: BulkLimits) -> Operation | LaminaError:
    if raw is None:
        return TooLarge(
            f"The line is longer than {limits.line_bytes} bytes (LAMINA_LIMITS_MESSAGE_BYTES)."
        )
    try:
        return read(raw, limits.documents, most_values=limits.line_values)
    except InvalidRequest as error:
        return error


class _Loader:
    """Stores one batch after another."""

    def __init__(self, inbox: Inbox, bell: Bell, order: Load, limits: BulkLimits) -> None:
        self._inbox = inbox
        self._bell = bell
        self._order = order
        self._limits = limits
        self._place = 0
        self._stopped: LaminaError | None = None

    def store(self, batch: _Batch) -> Iterator[Result]:
        """Store a batch; yield the result of each of its lines."""
        self._place += 1
        good = batch.good
        done = dict(self._accept(good)) if good else {}
        for line, one in batch.entries:
            if isinstance(one, LaminaError):
                yield Result(line=line, error=one)
            else:
                yield done[line]

    def _accept(self, good: Sequence[tuple[int, Operation]]) -> Iterator[tuple[int, Result]]:
        answer = self._stopped or self._store([one for _, one in good])
        if isinstance(answer, Receipt):
            yield from _results(good, answer)
            return
        for line, one in good:
            yield line, Result(line=line, id=one.document.id, error=answer)

    def _store(self, operations: Sequence[Operation]) -> Receipt | LaminaError:
        try:
            return submit(self._inbox, self._bell, self._submission(operations))
        except LaminaError as error:
            if isinstance(error, _STOPPING):
                self._stopped = error.with_traceback(None)  # which would hold the whole batch
            return error

    def _submission(self, operations: Sequence[Operation]) -> Submission:
        order = self._order
        return Submission(
            collection=order.collection,
            source=order.source,
            producer=order.producer,
            documents=tuple(one.document for one in operations),
            key=None if order.key is None else f"{order.key}#{self._place}",
            content_sha256=sha256_of([one.sha256 for one in operations]),
            lane=order.lane,
            missing_ok=True,  # a delete of nothing must not refuse the lines beside it
        )


def _results(
    good: Sequence[tuple[int, Operation]], receipt: Receipt
) -> Iterator[tuple[int, Result]]:
    # An id that Lamina made is the one it made the first time.
    for (line, one), (document_id, state) in zip(good, receipt.documents, strict=True):
        missing = one.document.kind is RevisionKind.DELETE and state is State.UNCHANGED
        result = Result(
            line=line,
            id=document_id,
            state=state,
            job_id=receipt.job_id,
            repeated=receipt.repeated,
            error=_nothing_there(document_id) if missing else None,
        )
        yield line, result


def _nothing_there(document_id: str) -> DocumentNotFound:
    return DocumentNotFound(f"There is no document {document_id!r} to delete.")
