"""Documents as they will be stored: checked, hashed and serialised before any transaction."""

import json
from dataclasses import dataclass

from shared.domain import NewDocument, Rejection, Submission
from shared.errors import InvalidDocument

_BIGGEST = 2**63 - 1


@dataclass(frozen=True, slots=True)
class Draft:
    """A revision to be."""

    document: NewDocument
    metadata_json: str
    content_sha256: str
    text_sha256: str

    @property
    def characters(self) -> int:
        """Length of what the encoder may have to read."""
        return len(self.document.title) + len(self.document.text)


@dataclass(frozen=True, slots=True)
class Parcel:
    """A submission whose documents are ready to be stored."""

    submission: Submission
    drafts: tuple[Draft, ...]


def pack(submission: Submission) -> Parcel:
    """Prepare a submission.

    Raises:
        InvalidDocument: a document holds what a database cannot (NUL, a lone surrogate, NaN).
    """
    return Parcel(submission, tuple(_draft(one) for one in submission.documents))


def rejection(submission: Submission, reason: str, detail: str) -> Rejection:
    """Return *submission* as a rejected message; its raw bytes are its documents as JSON."""
    documents = [
        {
            "id": one.id,
            "title": one.title,
            "text": one.text,
            "metadata": one.metadata,
            "kind": one.kind.value,
            "external_version": one.external_version,
        }
        for one in submission.documents
    ]
    raw = json.dumps(documents, ensure_ascii=False, default=str)
    return Rejection(
        source=submission.source,
        raw=raw.encode("utf-8", "backslashreplace"),
        reason=reason,
        detail=detail,
        collection=submission.collection,
        key=submission.key,
    )


def _draft(document: NewDocument) -> Draft:
    for part in (document.id, document.title, document.text):
        if "\0" in part:
            raise InvalidDocument(f"Document {document.id!r} contains a NUL character.")
    if abs(document.external_version or 0) > _BIGGEST:
        raise InvalidDocument(f"Document {document.id!r}: the external version is too big.")
    try:
        metadata_json = json.dumps(document.metadata, ensure_ascii=False, allow_nan=False)
        document.id.encode()
        return Draft(document, metadata_json, document.content_sha256, document.text_sha256)
    except (ValueError, TypeError) as error:  # a lone surrogate is a ValueError
        raise InvalidDocument(f"Document {document.id!r} cannot be stored: {error}") from error
