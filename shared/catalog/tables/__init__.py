"""Every table of the catalog. Times are seconds since 1970 by the database's clock.

Ids that leave the database (revisions, documents, claims, vectors) are never reused.
"""

from shared.catalog.tables.content import (
    ChunkRow,
    CollectionRow,
    DocumentRow,
    RevisionRow,
    SpaceRow,
)
from shared.catalog.tables.publishing import (
    AttemptRow,
    CounterRow,
    HeadRow,
    LivenessRow,
    SegmentRow,
    VersionRow,
)
from shared.catalog.tables.row import (
    ACTIVE,
    CLAIMED,
    COUNTERS,
    HEAD_COUNTER,
    PENDING,
    VECTOR_COUNTER,
    WAITING_STATES,
    Row,
)
from shared.catalog.tables.work import ClaimRow, JobRow, KeyRow, PassRow, ProcessRow, RejectionRow

__all__ = [
    "ACTIVE",
    "CLAIMED",
    "COUNTERS",
    "HEAD_COUNTER",
    "PENDING",
    "VECTOR_COUNTER",
    "WAITING_STATES",
    "AttemptRow",
    "ChunkRow",
    "ClaimRow",
    "CollectionRow",
    "CounterRow",
    "DocumentRow",
    "HeadRow",
    "JobRow",
    "KeyRow",
    "LivenessRow",
    "PassRow",
    "ProcessRow",
    "RejectionRow",
    "RevisionRow",
    "Row",
    "SegmentRow",
    "SpaceRow",
    "VersionRow",
]
