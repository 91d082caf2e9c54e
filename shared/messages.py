"""Make a submission of a message from the queue, or a rejection with the reason. Never fails.

A message that no key names is known by its task id (`message:…`), and a plain push without
one by the receipt that the intake gave it. So a message that is read again after a crash is
recognised, while two equal pushes that a producer meant stay two.

Unknown fields: envelope, headers, properties and the top level of a payload may hold any, so
that producers of a later v1 can talk to this one; they have no effect. A document may not,
since a misspelt `text` would be lost: what a producer wants kept goes into its `metadata`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import cast

from shared import schemas
from shared.deletions import parse_deletion
from shared.domain import DocumentLimits, Json, Lane, Rejection, Submission
from shared.envelopes import Malformed, Opened, open_message
from shared.errors import Fault, InvalidRequest, TooLarge
from shared.ingest import parse_submission

_MOST_DETAIL = 2000
_MAX_COLLECTION = 255
_LANES = {"interactive": Lane.INTERACTIVE, "bulk": Lane.BULK}


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
    collection = None
    try:
        if len(raw) > limits.message_bytes:
            detail = f"The message has {len(raw)} bytes; at most {limits.message_bytes}."
            raise Malformed("too-large", detail)  # noqa: TRY301 - one place makes rejections
        opened = open_message(raw, most_values=limits.message_values)
        if opened.message_id:
            key = f"message:{opened.message_id}"
        key = _stated(opened.payload.get("key"), limits.documents.key_characters) or key
        collection = _stated(opened.payload.get("collection"), _MAX_COLLECTION)
        return _submission(opened, limits.documents, source=source, key=key)
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
    # Limits are for keys that producers make, not for those made here.
    return submission if own else replace(submission, key=key)


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


def _storable(text: str) -> str:
    """Return *text* as any database can hold it, of bounded length."""
    clean = text[:_MOST_DETAIL].replace("\x00", "\N{REPLACEMENT CHARACTER}")
    return clean.encode(errors="replace").decode()
