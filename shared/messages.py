"""Make a submission of a message from the queue, or a rejection with the reason. Never fails.

A message that no key names is known by its task id (`message:…`), and a plain push without
one by the receipt that the intake gave it. So a message that is read again after a crash is
recognised, while two equal pushes that a producer meant stay two.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import cast

from shared import schemas
from shared.domain import DocumentLimits, Json, Lane, Rejection, Submission
from shared.envelopes import Malformed, open_message
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
        opened = open_message(raw)
        if opened.message_id:
            key = f"message:{opened.message_id}"
        key = _stated(opened.payload.get("key"), limits.documents.key_characters) or key
        collection = _stated(opened.payload.get("collection"), _MAX_COLLECTION)
        return _submission(opened.payload, limits.documents, source=source, key=key)
    except Malformed as error:
        reason, detail = error.reason, error.detail
        if error.message_id:
            key = f"message:{error.message_id}"
    except TooLarge as error:
        reason, detail = "too-large", error.detail
    except InvalidRequest as error:
        faults = [f"{fault.pointer}: {fault.detail}" for fault in error.faults[:5]]
        reason, detail = "bad-payload", "; ".join(faults) or error.detail
    return Rejection(
        source=source,
        raw=raw[: limits.rejected_bytes],
        reason=reason,
        detail=_storable(detail),
        collection=collection,
        key=key,
    )


def _submission(
    payload: Mapping[str, Json], limits: DocumentLimits, *, source: str, key: str
) -> Submission:
    if faults := schemas.find_faults(schemas.PAYLOAD, payload):
        raise InvalidRequest(faults=faults)
    collection = _stated(payload["collection"], _MAX_COLLECTION)
    if collection is None:
        fault = Fault("/collection", "holds characters that no collection's name has")
        raise InvalidRequest(faults=[fault])
    own = cast("str | None", payload.get("key"))
    submission = parse_submission(
        payload["documents"],
        limits,
        collection=collection,
        source=source,
        key=own,
        lane=_LANES[cast("str", payload.get("lane", "bulk"))],
    )
    # Limits are for keys that producers make, not for those made here.
    return submission if own else replace(submission, key=key)


def _stated(value: Json, most: int) -> str | None:
    """Return *value* if it is text that a database can hold and a user can ask for."""
    if isinstance(value, str) and 1 <= len(value) <= most and value.isprintable():
        return value
    return None


def _storable(text: str) -> str:
    """Return *text* as any database can hold it, of bounded length."""
    clean = text[:_MOST_DETAIL].replace("\x00", "\N{REPLACEMENT CHARACTER}")
    return clean.encode(errors="replace").decode()
