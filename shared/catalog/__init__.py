"""The catalog in SQL: SQLite or PostgreSQL, the only arbiter of truth.

One class a port of `shared/ports/catalog.py`, all over one `Database`.
"""

from shared.catalog.audit import SqlAudit
from shared.catalog.chores import SqlChores
from shared.catalog.claims import SqlClaims
from shared.catalog.collections import SqlCollections
from shared.catalog.database import Database
from shared.catalog.dead_letters import SqlDeadLetters
from shared.catalog.deliveries import SqlDeliveries
from shared.catalog.discarding import SqlDiscards
from shared.catalog.documents import SqlDocuments
from shared.catalog.dumping import SqlDump
from shared.catalog.events import SqlEvents
from shared.catalog.expiring import SqlExpiry
from shared.catalog.history import SqlHistory
from shared.catalog.inbox import SqlInbox
from shared.catalog.keys import SqlKeys
from shared.catalog.leftovers import SqlLeftovers
from shared.catalog.maps import SqlMaps
from shared.catalog.matching import SqlMatching
from shared.catalog.measures import SqlMeasures
from shared.catalog.names import SqlNames
from shared.catalog.parsing import SqlParsing
from shared.catalog.publications import SqlPublications
from shared.catalog.reading import SqlReading
from shared.catalog.rebuild_work import SqlRenditions
from shared.catalog.rebuilds import SqlRebuilds
from shared.catalog.records import SqlRecords
from shared.catalog.roster import SqlRoster
from shared.catalog.uploads import SqlUploads
from shared.catalog.versions import SqlVersions
from shared.catalog.waiting import SqlWaiting
from shared.catalog.webhooks import SqlWebhooks

__all__ = [
    "Database",
    "SqlAudit",
    "SqlChores",
    "SqlClaims",
    "SqlCollections",
    "SqlDeadLetters",
    "SqlDeliveries",
    "SqlDiscards",
    "SqlDocuments",
    "SqlDump",
    "SqlEvents",
    "SqlExpiry",
    "SqlHistory",
    "SqlInbox",
    "SqlKeys",
    "SqlLeftovers",
    "SqlMaps",
    "SqlMatching",
    "SqlMeasures",
    "SqlNames",
    "SqlParsing",
    "SqlPublications",
    "SqlReading",
    "SqlRebuilds",
    "SqlRecords",
    "SqlRenditions",
    "SqlRoster",
    "SqlUploads",
    "SqlVersions",
    "SqlWaiting",
    "SqlWebhooks",
]
