"""Revisions as lists of documents show them."""

import json

from shared.catalog.engine.dialect import AnyRow
from shared.catalog.jobs.jobs import is_forgotten
from shared.catalog.tables import RevisionRow
from shared.domain import DocumentLine, RevisionKind, State

LINE_COLUMNS = (
    RevisionRow.document_id,
    RevisionRow.id,
    RevisionRow.kind,
    RevisionRow.state,
    RevisionRow.characters,
    RevisionRow.warnings,
    RevisionRow.error,
    RevisionRow.job_id,
    RevisionRow.version,
    RevisionRow.accepted_at,
    RevisionRow.published_at,
)
"""What `line_of` reads of a revision, besides its title and metadata."""


def line_of(external_id: str, row: AnyRow, *, beginning: str = "") -> DocumentLine:
    """Return a revision for a list; *beginning* of its text, where it has no title."""
    return DocumentLine(
        id=external_id,
        revision_id=row.id,
        kind=RevisionKind(row.kind),
        state=State(row.state),
        title=row.title,
        beginning=beginning,
        metadata=json.loads(row.metadata_json),
        characters=row.characters,
        warnings=tuple(json.loads(row.warnings or "[]")),
        error=row.error,
        job_id=None if is_forgotten(row.job_id) else row.job_id,
        version=row.version,
        accepted_at=row.accepted_at,
        published_at=row.published_at,
    )
