"""Take deletes in: check which documents a producer wants gone."""

from collections.abc import Mapping

from shared.domain import (
    DocumentLimits,
    Json,
    Lane,
    NewDocument,
    RevisionKind,
    Submission,
    sha256_of,
)
from shared.errors import Fault, InvalidDocument, TooLarge
from shared.ingest import find_key_faults, parse_external_version, parse_id

_FIELDS = frozenset({"id", "external_version"})


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
