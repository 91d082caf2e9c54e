"""Make a submission of a message from the queue, or a rejection with the reason. Never fails.

A message that no key names is known by its task id (`message:…`), and a plain push without
one by the receipt that the intake gave it. So a message that is read again after a crash is
recognised, while two equal pushes that a producer meant stay two.

Unknown fields: envelope, headers, properties and the top level of a payload may hold any, so
that producers of a later v1 can talk to this one; they have no effect. Those of the payload are
kept with the job, within the limits of metadata; so is the header `traceparent`. A document may
hold none, since a misspelt `text` would be lost: what a producer wants kept with it goes into its
`metadata`.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import cast

from shared import schemas
from shared.deletions import parse_deletion
from shared.domain import DocumentLimits, Json, Lane, Metadata, Rejection, Submission
from shared.envelopes import Malformed, Opened, open_message
from shared.errors import Fault, InvalidRequest, TooLarge
from shared.ingest import parse_metadata, parse_submission
from shared.tracing import TRACEPARENT

_MOST_DETAIL = 2000
_MAX_COLLECTION = 255
_MAX_PRODUCER = 100
_LANES = {"interactive": Lane.INTERACTIVE, "bulk": Lane.BULK}
_KNOWN = frozenset({"collection", "key", "lane", "documents", "producer", "reply_to"})
_FIELDS = {schemas.SUBMIT: _KNOWN, schemas.DELETE: _KNOWN | {"ids"}}
_REPLY_NAME = re.compile(r"[A-Za-z0-9._-]{1,100}", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageLimits:
    """How much a message may hold."""

    documents: DocumentLimits
    message_bytes: int
    message_values: int = 1_000_000
    """Texts, numbers, objects and lists."""
    rejected_bytes: int
    """How much of a rejected message is kept."""


def parse(
    raw: bytes, limits: MessageLimits, *, source: str, receipt: str
) -> Submission | Rejection:
    """Return what *raw* asks for; a rejection for everything that cannot be accepted.

    Args:
        raw: the message as the queue held it; any bytes.
        limits: bytes first, then everything else.
        source: name of the queue.
        receipt: unique to this delivery and the same each time it is read; the key of a
            message that brings neither a key nor an id.
    """
    key = receipt
    collection = reply_to = None
    try:
        if len(raw) > limits.message_bytes:
            detail = f"The message has {len(raw)} bytes; at most {limits.message_bytes}."
            raise Malformed("too-large", detail)  # noqa: TRY301 - one place makes rejections
        opened = open_message(raw, most_values=limits.message_values)
        if opened.message_id:
            key = f"message:{opened.message_id}"
        key = _stated(opened.payload.get("key"), limits.documents.key_characters) or key
        collection = _stated(opened.payload.get("collection"), _MAX_COLLECTION)
        reply_to = _reply_name(opened.payload.get("reply_to"))
        submission = _submission(opened, limits.documents, source=source, key=key)
        return replace(submission, reply_to=reply_to, raw=raw)
    except Malformed as error:
        reason, detail = error.reason, error.detail
        if error.message_id:
            key = f"message:{error.message_id}"
    except TooLarge as error:
        reason, detail = "too-large", error.detail
    except InvalidRequest as error:
        faults = [f"{fault.pointer or '/'}: {fault.detail}" for fault in error.faults[:5]]
        reason, detail = "bad-payload", "; ".join(faults) or error.detail
    return Rejection(
        source=source,
        raw=raw[: limits.rejected_bytes],
        reason=reason,
        detail=_storable(detail),
        collection=collection,
        key=key,
        size=len(raw),
        reply_to=reply_to,
    )


def _submission(opened: Opened, limits: DocumentLimits, *, source: str, key: str) -> Submission:
    payload = opened.payload
    _check_counts(payload, limits)
    if opened.task == schemas.DELETE and ("ids" in payload) == ("documents" in payload):
        raise InvalidRequest(faults=[Fault("", "needs `ids` or `documents`, one of the two")])
    if faults := schemas.find_faults(opened.task, payload):
        raise InvalidRequest(faults=faults)
    collection = _stated(payload["collection"], _MAX_COLLECTION)
    if collection is None:
        fault = Fault("/collection", "holds characters that no collection's name has")
        raise InvalidRequest(faults=[fault])
    if payload.get("reply_to") is not None and not _reply_name(payload["reply_to"]):
        # In Python, unlike in a JSON Schema, the end of a pattern may be before a last line break.
        raise InvalidRequest(faults=[Fault("/reply_to", "must not end with a line break")])
    own = cast("str | None", payload.get("key"))
    lane = _LANES[cast("str", payload.get("lane", "bulk"))]
    if opened.task == schemas.DELETE:
        submission = parse_deletion(
            payload, limits, collection=collection, source=source, key=own, lane=lane
        )
    else:
        submission = parse_submission(
            payload["documents"], limits, collection=collection, source=source, key=own, lane=lane
        )
    return replace(
        submission,
        # Limits are for keys that producers make, not for those made here.
        key=own or key,
        producer=_producer(opened),
        extra=_extra(opened, limits),
    )


def _producer(opened: Opened) -> str:
    """Return who sent it: as the payload says, else the host that a Celery client names."""
    stated = opened.payload.get("producer")
    if stated is None:
        return _stated(opened.host, _MAX_PRODUCER) or ""
    if producer := _stated(stated, _MAX_PRODUCER):
        return producer
    fault = Fault("/producer", f"must be 1 to {_MAX_PRODUCER} printable characters")
    raise InvalidRequest(faults=[fault])


def _extra(opened: Opened, limits: DocumentLimits) -> Metadata:
    """Return the fields that mean nothing here."""
    known = _FIELDS[opened.task]
    unknown = {name: value for name, value in opened.payload.items() if name not in known}
    faults: list[Fault] = []
    extra = parse_metadata(unknown, "", limits, faults)
    if faults:
        about = [Fault("", f"the object of its unknown fields {one.detail}") for one in faults]
        raise InvalidRequest(faults=about)
    if opened.traceparent:
        return {TRACEPARENT: opened.traceparent, **extra}
    return extra


def _check_counts(payload: Mapping[str, Json], limits: DocumentLimits) -> None:
    """Refuse too many documents before a schema looks at each."""
    for name in ("documents", "ids"):
        items = payload.get(name)
        if isinstance(items, list) and len(items) > limits.documents:
            raise TooLarge(f"{len(items)} {name} in one message; at most {limits.documents}.")


def _stated(value: Json, most: int) -> str | None:
    """Return *value* if it is text that a database can hold and a user can ask for."""
    if isinstance(value, str) and 1 <= len(value) <= most and value.isprintable():
        return value
    return None


def _reply_name(value: Json) -> str | None:
    """Return *value* if it may be the name of a place for replies."""
    return value if isinstance(value, str) and _REPLY_NAME.fullmatch(value) else None


def _storable(text: str) -> str:
    """Return *text* as any database can hold it, of bounded length."""
    clean = text[:_MOST_DETAIL].replace("\x00", "\N{REPLACEMENT CHARACTER}")
    return clean.encode(errors="replace").decode()
