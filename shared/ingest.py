"""Take documents in: check what was sent, accept it, ring the bell."""

import json
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import replace

import structlog

from shared import tracing
from shared.domain import (
    DocumentLimits,
    Json,
    Lane,
    NewDocument,
    Receipt,
    RevisionKind,
    Submission,
    sha256_of,
)
from shared.errors import Fault, InvalidDocument, TooLarge
from shared.nesting import deeper_than
from shared.ports import Bell, Inbox

_FIELDS = frozenset({"id", "title", "text", "metadata", "external_version"})
_MAX_EXTERNAL_VERSION = 2**63 - 1

_log = structlog.get_logger(__name__)


def submit(inbox: Inbox, bell: Bell, submission: Submission) -> Receipt:
    """Accept *submission*: committed when this returns; the bell rings after that.

    Raises:
        CollectionNotFound, KeyReused, DocumentNotFound: refused; nothing was changed.
    """
    with tracing.stage("accept", documents=len(submission.documents)):
        receipt = inbox.accept(traced(submission))
    _log.info(
        "accepted",
        job=receipt.job_id,
        collection=submission.collection,
        documents=len(submission.documents),
        repeated=receipt.repeated,
    )
    if not receipt.repeated:
        bell.ring()
    return receipt


def traced(submission: Submission) -> Submission:
    """Have the job know the trace that it belongs to, if there is one."""
    here = tracing.carried()
    if here is None:
        return submission
    return replace(submission, extra={tracing.TRACEPARENT: here, **submission.extra})


def parse_submission(
    documents: Json,
    limits: DocumentLimits,
    *,
    collection: str,
    source: str,
    key: str | None = None,
    lane: Lane = Lane.INTERACTIVE,
) -> Submission:
    """Check documents as a producer sent them and make a submission of them.

    Unknown fields of a document are refused, since a misspelt `text` would be lost silently.

    Raises:
        InvalidDocument: with one `Fault` for each thing wrong.
        TooLarge: more documents than `limits.documents`.
    """
    if not isinstance(documents, list) or not documents:
        raise InvalidDocument(
            "`documents` must be a list of at least one document.",
            [Fault("/documents", "must be a list of at least one document")],
        )
    if len(documents) > limits.documents:
        raise TooLarge(f"{len(documents)} documents in one request; at most {limits.documents}.")
    faults = find_key_faults(key, limits)
    parsed = [
        parse_document(document, f"/documents/{place}", limits, faults)
        for place, document in enumerate(documents)
    ]
    if faults:
        raise InvalidDocument(f"{faults[0].pointer}: {faults[0].detail}.", faults)
    return Submission(
        collection=collection,
        source=source,
        documents=tuple(document for document in parsed if document),
        key=key,
        content_sha256=sha256_of(documents),
        lane=lane,
    )


def find_key_faults(key: str | None, limits: DocumentLimits) -> list[Fault]:
    """Return what keeps *key* from being a producer's key; empty if nothing."""
    if key is None:
        return []
    if not 1 <= len(key) <= limits.key_characters:
        return [Fault("/key", f"must have 1 to {limits.key_characters} characters")]
    return [Fault("/key", fault)] if (fault := _text_fault(key)) else []


def deletion(
    external_id: str, *, collection: str, source: str, key: str | None = None
) -> Submission:
    """Return the submission that deletes one document."""
    return Submission(
        collection=collection,
        source=source,
        documents=(NewDocument(id=external_id, kind=RevisionKind.DELETE),),
        key=key,
        content_sha256=sha256_of(["delete", external_id]),
    )


def parse_document(
    raw: Json, pointer: str, limits: DocumentLimits, faults: list[Fault]
) -> NewDocument | None:
    """Return a document as a producer sent it, or None; what is wrong is added to *faults*."""
    if not isinstance(raw, Mapping):
        faults.append(Fault(pointer, "must be an object"))
        return None
    found = len(faults)
    faults.extend(
        Fault(f"{pointer}/{_escape(name)}", "is not a field of a document")
        for name in sorted(map(str, raw.keys() - _FIELDS))
    )
    if raw.get("id") is None:
        document_id = uuid.uuid4().hex
    else:
        document_id = parse_id(raw["id"], f"{pointer}/id", limits, faults)
    title = _parse_text(raw, "title", pointer, limits.title_characters, faults)
    text = _parse_text(raw, "text", pointer, limits.text_characters, faults)
    if len(faults) == found and not title.strip() and not text.strip():
        faults.append(Fault(pointer, "needs a `text` or a `title` that is not blank"))
    metadata = parse_metadata(raw.get("metadata"), f"{pointer}/metadata", limits, faults)
    version = parse_external_version(
        raw.get("external_version"), f"{pointer}/external_version", faults
    )
    if len(faults) > found:
        return None
    return NewDocument(
        id=document_id,
        title=title,
        text=text,
        metadata=metadata,
        external_version=version,
    )


def parse_id(raw: Json, pointer: str, limits: DocumentLimits, faults: list[Fault]) -> str:
    """Return a document's id as text; what is wrong with it is added to *faults*."""
    if isinstance(raw, int) and not isinstance(raw, bool):
        raw = str(raw)
    if not isinstance(raw, str) or not 1 <= len(raw) <= limits.id_characters:
        detail = f"must be a string of 1 to {limits.id_characters} characters"
        faults.append(Fault(pointer, detail))
        return ""
    if (fault := _text_fault(raw)) or (fault := _id_fault(raw)):
        faults.append(Fault(pointer, fault))
    return raw


def parse_external_version(raw: Json, pointer: str, faults: list[Fault]) -> int | None:
    """Return a producer's own number of a document; what is wrong is added to *faults*."""
    if raw is None:
        return None
    if not isinstance(raw, int) or isinstance(raw, bool) or not 0 <= raw <= _MAX_EXTERNAL_VERSION:
        faults.append(Fault(pointer, "must be a whole number, 0 or more"))
        return None
    return raw


def _id_fault(text: str) -> str | None:
    if any(ord(character) < 32 or ord(character) == 127 for character in text):  # noqa: PLR2004
        return "must not contain control characters"
    return "must not begin or end with white space" if text != text.strip() else None


def _parse_text(
    raw: Mapping[str, Json], name: str, pointer: str, most: int, faults: list[Fault]
) -> str:
    value = raw.get(name)
    if value is None:
        return ""
    if not isinstance(value, str):
        faults.append(Fault(f"{pointer}/{name}", "must be a string"))
        return ""
    if len(value) > most:
        faults.append(Fault(f"{pointer}/{name}", f"has {len(value)} characters; at most {most}"))
    elif fault := _text_fault(value):
        faults.append(Fault(f"{pointer}/{name}", fault))
    return value


def parse_metadata(
    raw: Json, where: str, limits: DocumentLimits, faults: list[Fault]
) -> Mapping[str, Json]:
    """Return an object of a producer's own; what is wrong with it is added to *faults*."""
    if raw is None:
        return {}
    if not isinstance(raw, Mapping):
        faults.append(Fault(where, "must be an object"))
        return {}
    if deeper_than(raw, limits.metadata_depth):
        faults.append(Fault(where, f"is nested deeper than {limits.metadata_depth}"))
        return {}
    try:
        text = json.dumps(raw, ensure_ascii=False, allow_nan=False)
    except ValueError:
        faults.append(Fault(where, "holds a number that JSON cannot write (NaN or infinity)"))
        return {}
    if fault := next(filter(None, map(_text_fault, _strings(raw))), None):
        faults.append(Fault(where, fault))
    elif len(text.encode()) > limits.metadata_bytes:
        faults.append(Fault(where, f"is larger than {limits.metadata_bytes} bytes as JSON"))
    return raw


def _strings(value: Json) -> Iterator[str]:
    """Yield every key and string inside *value*, whose depth was checked before."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for name, inner in value.items():
            yield str(name)
            yield from _strings(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _strings(inner)


def _text_fault(text: str) -> str | None:
    """Return why no database can hold *text*, if so."""
    if "\x00" in text:
        return "contains a NUL character"
    try:
        text.encode()
    except UnicodeEncodeError:
        return "contains half of a surrogate pair, which is not a character"
    return None


def _escape(name: object) -> str:
    return str(name).replace("~", "~0").replace("/", "~1")
