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
from shared.catalog.tables.fields import FieldRow
from shared.catalog.tables.keys import ApiKeyRow, AuditRow, SignOutRow
from shared.catalog.tables.publishing import (
    AttemptRow,
    CounterRow,
    HeadRow,
    LeaseRow,
    LivenessRow,
    SegmentRow,
    TagRow,
    VersionRow,
)
from shared.catalog.tables.row import (
    ACTIVE,
    BURIED,
    CLAIMED,
    COUNTERS,
    EXPIRED,
    HEAD_COUNTER,
    KEPT_STATES,
    LIVE,
    PENDING,
    VECTOR_COUNTER,
    WAITING_STATES,
    Row,
)
from shared.catalog.tables.upkeep import ChoreRow, DamageRow, RecallRow
from shared.catalog.tables.work import (
    ClaimRow,
    FlowRow,
    JobRow,
    KeyRow,
    PassRow,
    ProcessRow,
    RejectionRow,
)

__all__ = [
    "ACTIVE",
    "BURIED",
    "CLAIMED",
    "COUNTERS",
    "EXPIRED",
    "HEAD_COUNTER",
    "KEPT_STATES",
    "LIVE",
    "PENDING",
    "VECTOR_COUNTER",
    "WAITING_STATES",
    "ApiKeyRow",
    "AttemptRow",
    "AuditRow",
    "ChoreRow",
    "ChunkRow",
    "ClaimRow",
    "CollectionRow",
    "CounterRow",
    "DamageRow",
    "DocumentRow",
    "FieldRow",
    "FlowRow",
    "HeadRow",
    "JobRow",
    "KeyRow",
    "LeaseRow",
    "LivenessRow",
    "PassRow",
    "ProcessRow",
    "RecallRow",
    "RejectionRow",
    "RevisionRow",
    "Row",
    "SegmentRow",
    "SignOutRow",
    "SpaceRow",
    "TagRow",
    "VersionRow",
]
