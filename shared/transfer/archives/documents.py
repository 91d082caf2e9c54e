"""The lines of `documents.jsonl`: a document with the vectors that stand for its passages."""

import json
from itertools import pairwise
from typing import Annotated

from pydantic import Field, JsonValue

from shared.domain import (
    ArchivedDocument,
    ChunkSpan,
    DocumentLimits,
    FileKind,
    NewDocument,
    Origin,
    PlaceKind,
)
from shared.errors import ArchiveRefused, InvalidRequest
from shared.ingest import parse_submission
from shared.transfer.archives.header import Record

_Number = Annotated[int, Field(ge=0, lt=2**63)]
_Chunk = tuple[_Number, _Number, _Number, _Number]


class _File(Record):
    name: Annotated[str, Field(min_length=1, max_length=4000, pattern=r"^[^\x00]+$")]
    kind: FileKind
    places: PlaceKind | None
    """By what places in it are named."""
    marks: list[tuple[_Number, str]]
    """first character of `text`, name of what begins there"""


class _Line(Record):
    id: str
    title: str
    text: str
    metadata: dict[str, JsonValue]
    external_version: _Number | None
    chunks: list[_Chunk]
    """vector id, start, end, tokens"""
    file: _File | None = None
    """Where the text was read from; format 1 did not say it."""


def dump(document: ArchivedDocument) -> bytes:
    """Return a document as one line."""
    line: dict[str, object] = {
        "id": document.id,
        "title": document.title,
        "text": document.text,
        "metadata": document.metadata,
        "external_version": document.external_version,
        "chunks": [(one.vector_id, one.start, one.end, one.tokens) for one in document.chunks],
    }
    if document.origin is not None:
        line["file"] = _dump_origin(document.origin)
    return json.dumps(line, ensure_ascii=False, allow_nan=False).encode() + b"\n"


def load(line: bytes, where: str, limits: DocumentLimits) -> ArchivedDocument:
    """Read one line.

    Raises:
        ArchiveRefused: not such a line, a document that this Lamina would not accept, or a
            passage outside its text.
    """
    found = _Line.parse(line, where)
    document = ArchivedDocument(
        id=found.id,
        title=found.title,
        text=found.text,
        metadata=found.metadata,
        external_version=found.external_version,
        chunks=tuple(
            ChunkSpan(vector_id=vector_id, start=start, end=end, tokens=tokens)
            for vector_id, start, end, tokens in found.chunks
        ),
        origin=None if found.file is None else _load_origin(found.file, len(found.text), where),
    )
    try:
        new_document(document, limits)
    except InvalidRequest as error:
        raise ArchiveRefused(f"{where}: {error.detail}") from error
    for chunk in document.chunks:
        if not chunk.start <= chunk.end <= len(document.text):
            raise ArchiveRefused(
                f"{where}: a passage is {chunk.start} to {chunk.end} of "
                f"{len(document.text)} characters."
            )
    return document


def _dump_origin(origin: Origin) -> dict[str, object]:
    return {
        "name": origin.file,
        "kind": origin.file_kind,
        "places": origin.place_kind,
        "marks": origin.marks,
    }


def _load_origin(file: _File, characters: int, where: str) -> Origin:
    starts = [start for start, _ in file.marks]
    if any(later <= start for start, later in pairwise(starts)):
        raise ArchiveRefused(f"{where}: the places in {file.name!r} do not rise.")
    if starts and starts[-1] > characters:
        raise ArchiveRefused(
            f"{where}: a place in {file.name!r} begins at {starts[-1]} of {characters} characters."
        )
    return Origin(
        file=file.name, file_kind=file.kind, place_kind=file.places, marks=tuple(file.marks)
    )


def new_document(document: ArchivedDocument, limits: DocumentLimits) -> NewDocument:
    """Return the document as a producer would send it.

    Raises:
        InvalidDocument: this Lamina would not accept it.
    """
    fields = {
        "id": document.id,
        "title": document.title,
        "text": document.text,
        "metadata": document.metadata,
        "external_version": document.external_version,
    }
    return parse_submission([fields], limits, collection="", source="").documents[0]
