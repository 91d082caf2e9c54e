"""The catalog in SQL: SQLite or PostgreSQL, the only arbiter of truth.

One class a port of `shared/ports/catalog.py`, all over one `Database`.
"""

from shared.catalog.access.audit import SqlAudit
from shared.catalog.access.keys import SqlKeys
from shared.catalog.collections.collections import SqlCollections
from shared.catalog.collections.discarding import SqlDiscards
from shared.catalog.collections.names import SqlNames
from shared.catalog.content.documents import SqlDocuments
from shared.catalog.content.maps import SqlMaps
from shared.catalog.content.matching import SqlMatching
from shared.catalog.content.reading import SqlReading
from shared.catalog.dead_letters.dead_letters import SqlDeadLetters
from shared.catalog.engine.database import Database
from shared.catalog.engine.dumping import SqlDump
from shared.catalog.events.deliveries import SqlDeliveries
from shared.catalog.events.events import SqlEvents
from shared.catalog.events.webhooks import SqlWebhooks
from shared.catalog.files.leftovers import SqlLeftovers
from shared.catalog.files.parsing import SqlParsing
from shared.catalog.files.uploads import SqlUploads
from shared.catalog.inbox.inbox import SqlInbox
from shared.catalog.jobs.records import SqlRecords
from shared.catalog.publishing.publications import SqlPublications
from shared.catalog.publishing.versions import SqlVersions
from shared.catalog.queue.claims import SqlClaims
from shared.catalog.queue.waiting import SqlWaiting
from shared.catalog.rebuilds.rebuilds import SqlRebuilds
from shared.catalog.rebuilds.work import SqlRenditions
from shared.catalog.upkeep.chores import SqlChores
from shared.catalog.upkeep.expiring import SqlExpiry
from shared.catalog.upkeep.history import SqlHistory
from shared.catalog.upkeep.measures import SqlMeasures
from shared.catalog.upkeep.roster import SqlRoster

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
