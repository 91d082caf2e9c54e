"""Change some of a document and leave the rest as it is (RFC 7396, JSON Merge Patch).

The change is applied to the newest accepted revision while the document is locked, so that of two
changes at once neither is lost. What it leaves of the text is not encoded again.
"""

import json
from collections.abc import Mapping

from shared.domain import Amendment, DocumentLimits, Json, NewDocument, Submission, sha256_of
from shared.errors import Fault, InvalidDocument
from shared.ingest import parse_document, parse_external_version
from shared.nesting import deeper_than

_CHANGEABLE = frozenset({"title", "text", "metadata", "external_version"})
_CONTENT = ("title", "text", "metadata")


def amendment(
    document_id: str,
    patch: Mapping[str, Json],
    limits: DocumentLimits,
    *,
    collection: str,
    source: str,
    producer: str = "",
    key: str | None = None,
) -> Amendment:
    """Return the change of a document that *patch* says.

    What it makes of the document is checked when it is applied, since limits count the whole.

    Args:
        document_id: whose.
        patch: new values of `title`, `text` and `metadata`; null takes away, and the metadata's
            own names are merged. `external_version` is that of the revision to be.
        limits: for the document that comes of it.
        collection: where it is.
        source: who changes it.
        producer: who of the source.
        key: an idempotency key.

    Raises:
        InvalidDocument: with one `Fault` for each thing wrong.
    """
    faults = [
        Fault(f"/{name}", "is not a field of a document that can be changed")
        for name in sorted(patch.keys() - _CHANGEABLE)
    ]
    if deeper_than(patch.get("metadata"), limits.metadata_depth):
        faults.append(Fault("/metadata", f"is nested deeper than {limits.metadata_depth}"))
    elif not isinstance(patch.get("metadata", {}), Mapping | None):
        faults.append(Fault("/metadata", "must be an object, or null"))
    version = parse_external_version(patch.get("external_version"), "/external_version", faults)
    _refuse(faults)
    changes = {name: patch[name] for name in _CONTENT if name in patch}

    def apply(document: NewDocument) -> NewDocument:
        before: dict[str, Json] = {
            "title": document.title,
            "text": document.text,
            "metadata": document.metadata,
        }
        after: dict[str, Json] = {
            **merged(before, changes),
            "id": document.id,
            "external_version": version,
        }
        found: list[Fault] = []
        changed = parse_document(after, "", limits, found)
        if changed is None:
            _refuse(found)
            raise AssertionError("no document, and nothing wrong with it")
        return changed

    return Amendment(
        submission=Submission(
            collection=collection,
            source=source,
            producer=producer,
            documents=(),
            key=key,
            # ASCII: what is wrong with a text is told when the change is applied.
            content_sha256=sha256_of(["patch", document_id, json.dumps(patch, sort_keys=True)]),
        ),
        document_id=document_id,
        apply=apply,
    )


def merged(target: Json, patch: Json) -> dict[str, Json]:
    """Return *target* with the object *patch* merged into it: RFC 7396, section 2."""
    result = dict(target) if isinstance(target, Mapping) else {}
    for name, value in patch.items() if isinstance(patch, Mapping) else ():
        if value is None:
            result.pop(name, None)
        elif isinstance(value, Mapping):
            result[name] = merged(result.get(name), value)
        else:
            result[name] = value
    return result


def _refuse(faults: list[Fault]) -> None:
    if faults:
        raise InvalidDocument(f"{faults[0].pointer}: {faults[0].detail}.", faults)
