"""Take deletes in: check which documents a producer wants gone; carry out deletes by filter."""

import json
from collections.abc import Mapping

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
from shared.domain.filters import Filter, FilterLimits
from shared.errors import Fault, InvalidDocument, TooLarge
from shared.filters import canonical, read_json
from shared.ingest import find_key_faults, parse_external_version, parse_id
from shared.ports import Bell, Documents

_FIELDS = frozenset({"id", "external_version"})
_NO_LIMITS = FilterLimits(characters=2**31, nodes=2**31, values=2**31)
"""For filters that were checked when they were accepted."""


def parse_deletion(
    payload: Mapping[str, Json],
    limits: DocumentLimits,
    *,
    collection: str,
    source: str,
    key: str | None = None,
    lane: Lane = Lane.INTERACTIVE,
) -> Submission:
    """Check which documents shall go, and make a submission of their tombstones.

    They are named by `ids`, or by `documents` where each may bring its `external_version`. To
    delete what is not there is no fault: what was asked for is so already.

    Raises:
        InvalidDocument: with one `Fault` for each thing wrong.
        TooLarge: more documents than `limits.documents`.
    """
    faults = find_key_faults(key, limits)
    documents = _read(payload, limits, faults)
    if faults:
        raise InvalidDocument(f"{faults[0].pointer}: {faults[0].detail}.", faults)
    return Submission(
        collection=collection,
        source=source,
        documents=documents,
        key=key,
        content_sha256=sha256_of(["delete", [[one.id, one.external_version] for one in documents]]),
        lane=lane,
        missing_ok=True,
    )


def delete_matching(
    documents: Documents,
    condition: Filter,
    limits: DocumentLimits,
    *,
    collection: str,
    source: str,
    producer: str = "",
    key: str | None = None,
) -> Receipt:
    """Accept a delete of every document that matches now; `carry_out` does it.

    Raises:
        InvalidDocument: the key is none.
        CollectionNotFound, KeyReused
    """
    if faults := find_key_faults(key, limits):
        raise InvalidDocument(f"An Idempotency-Key {faults[0].detail}.", faults)
    written = canonical(condition)
    submission = Submission(
        collection=collection,
        source=source,
        producer=producer,
        documents=(),
        key=key,
        content_sha256=sha256_of(["delete-matching", written]),
        lane=Lane.BULK,
    )
    return documents.delete(submission, written)


def carry_out(documents: Documents, bell: Bell, *, limit: int) -> bool:
    """Do a step of the oldest delete by filter; whether there was one.

    At most *limit* documents leave in one step.
    """
    found = documents.proceed(lambda text: read_json(json.loads(text), _NO_LIMITS), limit=limit)
    if found:
        bell.ring()
    return found is not None


def _read(
    payload: Mapping[str, Json], limits: DocumentLimits, faults: list[Fault]
) -> tuple[NewDocument, ...]:
    given = [name for name in ("ids", "documents") if payload.get(name) is not None]
    if len(given) != 1:
        faults.append(Fault("", "needs either `ids` or `documents`"))
        return ()
    (name,) = given
    items = payload[name]
    if not isinstance(items, list) or not items:
        faults.append(Fault(f"/{name}", f"must be a list of at least one {name[:-1]}"))
        return ()
    if len(items) > limits.documents:
        raise TooLarge(f"{len(items)} {name} in one request; at most {limits.documents}.")
    parse = _named if name == "ids" else _numbered
    return tuple(
        parse(item, f"/{name}/{place}", limits, faults) for place, item in enumerate(items)
    )


def _named(raw: Json, pointer: str, limits: DocumentLimits, faults: list[Fault]) -> NewDocument:
    return NewDocument(id=parse_id(raw, pointer, limits, faults), kind=RevisionKind.DELETE)


def _numbered(raw: Json, pointer: str, limits: DocumentLimits, faults: list[Fault]) -> NewDocument:
    item = raw if isinstance(raw, Mapping) else {"id": raw}
    if not isinstance(raw, Mapping):
        faults.append(Fault(pointer, "must be an object with an `id`"))
    faults.extend(
        Fault(f"{pointer}/{name}", "is not a field of a delete") for name in item.keys() - _FIELDS
    )
    return NewDocument(
        id=parse_id(item.get("id"), f"{pointer}/id", limits, faults),
        kind=RevisionKind.DELETE,
        external_version=parse_external_version(
            item.get("external_version"), f"{pointer}/external_version", faults
        ),
    )
