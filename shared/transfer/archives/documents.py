"""The lines of `documents.jsonl`: a document with the vectors that stand for its passages."""

import json
from typing import Annotated

from pydantic import Field, JsonValue

from shared.domain import ArchivedDocument, ChunkSpan, DocumentLimits, NewDocument
from shared.errors import ArchiveRefused, InvalidRequest
from shared.ingest import parse_submission
from shared.transfer.archives.header import Record

_Number = Annotated[int, Field(ge=0, lt=2**63)]
_Chunk = tuple[_Number, _Number, _Number, _Number]


class _Line(Record):
    id: str
    title: str
    text: str
    metadata: dict[str, JsonValue]
    external_version: _Number | None
    chunks: list[_Chunk]
    """vector id, start, end, tokens"""


def dump(document: ArchivedDocument) -> bytes:
    """Return a document as one line."""
    line = {
        "id": document.id,
        "title": document.title,
        "text": document.text,
        "metadata": document.metadata,
        "external_version": document.external_version,
        "chunks": [(one.vector_id, one.start, one.end, one.tokens) for one in document.chunks],
    }
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
