"""Documents as they will be stored: checked, hashed and serialised before any transaction."""

import json
from dataclasses import dataclass
from typing import overload

from shared.domain import NewDocument, Rejection, Submission
from shared.errors import (
    CollectionNotFound,
    DocumentNotFound,
    InvalidDocument,
    InvalidRequest,
    KeyReused,
    LaminaError,
)

_BIGGEST = 2**63 - 1
_REASONS: dict[type[LaminaError], str] = {
    CollectionNotFound: "no-such-collection",
    DocumentNotFound: "no-such-document",
    KeyReused: "key-reused",
    InvalidRequest: "bad-payload",
}
REFUSALS = tuple(_REASONS)
"""What a submission may be refused with: it is then kept as a rejection."""


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
        InvalidRequest: so does the name of the producer.
    """
    if clean(submission.producer) != submission.producer:
        raise InvalidRequest("The producer's name contains what no database stores.")
    return Parcel(submission, tuple(draft(one) for one in submission.documents))


def rejection(submission: Submission, error: LaminaError) -> Rejection:
    """Return *submission* as a rejected message, refused with one of `REFUSALS`.

    Its raw bytes are the message that it was made of, or else the submission as JSON.
    """
    form, raw = "message", submission.raw
    if raw is None:
        form, raw = "documents", _written(submission)
    return Rejection(
        source=submission.source,
        raw=raw,
        reason=reason_of(error),
        detail=error.detail,
        collection=submission.collection,
        key=submission.key,
        form=form,
        size=len(raw),
        reply_to=submission.reply_to,
    )


def reason_of(error: LaminaError) -> str:
    """Return the short code of one of `REFUSALS`."""
    return next(code for kind, code in _REASONS.items() if isinstance(error, kind))


@overload
def clean(text: str) -> str: ...
@overload
def clean(text: None) -> None: ...
def clean(text: str | None) -> str | None:
    """Replace what no database stores: rejected messages may hold anything."""
    if text is None:
        return None
    return text.encode("utf-8", "replace").decode().replace("\0", "\N{REPLACEMENT CHARACTER}")


def _written(submission: Submission) -> bytes:
    """Return all that `dead_contents.py` needs to make the submission again."""
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
    whole = {
        "documents": documents,
        "lane": submission.lane.name,
        "missing_ok": submission.missing_ok,
        "producer": submission.producer,
        "content_sha256": submission.content_sha256,
        "extra": submission.extra,
    }
    text = json.dumps(whole, ensure_ascii=False, default=str)
    return text.encode("utf-8", "backslashreplace")


def draft(document: NewDocument) -> Draft:
    """Prepare one document.

    Raises:
        InvalidDocument: it holds what a database cannot.
    """
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
