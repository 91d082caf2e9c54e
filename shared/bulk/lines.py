"""What a line asks for: a document to put, or one to delete."""

import hashlib
from dataclasses import dataclass

from shared import strictjson
from shared.domain import DocumentLimits, Json, NewDocument, RevisionKind
from shared.errors import Fault, InvalidDocument, InvalidRequest, TooLarge
from shared.ingest import parse_document, parse_id

_DELETE = "delete"


@dataclass(frozen=True, slots=True)
class Operation:
    """A line that can be done."""

    document: NewDocument
    sha256: str
    """Of the line as it was sent: an id that Lamina made is not in it."""


def read(raw: bytes, limits: DocumentLimits, *, most_values: int) -> Operation:
    """Return what a line asks for.

    Raises:
        InvalidRequest: it is not JSON.
        InvalidDocument: with a fault for each thing wrong.
        TooLarge: it holds more than *most_values* values.
    """
    try:
        line = strictjson.loads(raw, most_values=most_values)
    except strictjson.TooManyValues as error:
        raise TooLarge(f"The line {error}.") from error
    except ValueError as error:
        raise InvalidRequest(f"The line is not valid JSON: {error}.") from error
    faults: list[Fault] = []
    document = _read(line, limits, faults)
    if faults or document is None:
        words = "; ".join(f"{one.pointer or 'the line'} {one.detail}" for one in faults)
        raise InvalidDocument(f"{words}.", faults)
    return Operation(document, hashlib.sha256(raw.strip()).hexdigest())


def _read(line: Json, limits: DocumentLimits, faults: list[Fault]) -> NewDocument | None:
    if isinstance(line, dict) and _DELETE in line:
        faults += [
            Fault(f"/{name}", "cannot go with `delete`") for name in sorted(line.keys() - {_DELETE})
        ]
        document_id = parse_id(line[_DELETE], f"/{_DELETE}", limits, faults)
        return NewDocument(id=document_id, kind=RevisionKind.DELETE)
    return parse_document(line, "", limits, faults)
