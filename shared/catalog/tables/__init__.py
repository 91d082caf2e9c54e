"""Every table of the catalog. Times are seconds since 1970 by the database's clock.

Ids that leave the database (revisions, documents, claims, vectors) are never reused.
"""

from shared.catalog.tables.content import (
    AliasRow,
    ChunkRow,
    CollectionRow,
    DocumentRow,
    RevisionRow,
    SpaceRow,
)
from shared.catalog.tables.events import DeliveryRow, EventRow, WebhookRow
from shared.catalog.tables.fields import FieldRow
from shared.catalog.tables.keys import ApiKeyRow, AuditRow, SignOutRow
from shared.catalog.tables.maps import MapRow
from shared.catalog.tables.measures import MeasureRow, ReadingRow
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
from shared.catalog.tables.rebuilds import PartRow, RebuildRow, RenditionRow
from shared.catalog.tables.row import (
    ACTIVE,
    BURIED,
    CLAIMED,
    COUNTERS,
    EVENT_COUNTER,
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
from shared.catalog.tables.uploads import OriginRow, UploadRow
from shared.catalog.tables.work import (
    ClaimRow,
    DeletionRow,
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
    "EVENT_COUNTER",
    "EXPIRED",
    "HEAD_COUNTER",
    "KEPT_STATES",
    "LIVE",
    "PENDING",
    "VECTOR_COUNTER",
    "WAITING_STATES",
    "AliasRow",
    "ApiKeyRow",
    "AttemptRow",
    "AuditRow",
    "ChoreRow",
    "ChunkRow",
    "ClaimRow",
    "CollectionRow",
    "CounterRow",
    "DamageRow",
    "DeletionRow",
    "DeliveryRow",
    "DocumentRow",
    "EventRow",
    "FieldRow",
    "FlowRow",
    "HeadRow",
    "JobRow",
    "KeyRow",
    "LeaseRow",
    "LivenessRow",
    "MapRow",
    "MeasureRow",
    "OriginRow",
    "PartRow",
    "PassRow",
    "ProcessRow",
    "ReadingRow",
    "RebuildRow",
    "RecallRow",
    "RejectionRow",
    "RenditionRow",
    "RevisionRow",
    "Row",
    "SegmentRow",
    "SignOutRow",
    "SpaceRow",
    "TagRow",
    "UploadRow",
    "VersionRow",
    "WebhookRow",
]
