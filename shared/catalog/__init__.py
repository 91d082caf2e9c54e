"""The catalog in SQL: SQLite or PostgreSQL, the only arbiter of truth.

One class a port of `shared/ports/catalog.py`, all over one `Database`.
"""

from shared.catalog.audit import SqlAudit
from shared.catalog.chores import SqlChores
from shared.catalog.claims import SqlClaims
from shared.catalog.collections import SqlCollections
from shared.catalog.database import Database
from shared.catalog.dead_letters import SqlDeadLetters
from shared.catalog.dumping import SqlDump
from shared.catalog.inbox import SqlInbox
from shared.catalog.keys import SqlKeys
from shared.catalog.matching import SqlMatching
from shared.catalog.publications import SqlPublications
from shared.catalog.reading import SqlReading
from shared.catalog.records import SqlRecords
from shared.catalog.roster import SqlRoster
from shared.catalog.versions import SqlVersions
from shared.catalog.waiting import SqlWaiting

__all__ = [
    "Database",
    "SqlAudit",
    "SqlChores",
    "SqlClaims",
    "SqlCollections",
    "SqlDeadLetters",
    "SqlDump",
    "SqlInbox",
    "SqlKeys",
    "SqlMatching",
    "SqlPublications",
    "SqlReading",
    "SqlRecords",
    "SqlRoster",
    "SqlVersions",
    "SqlWaiting",
]
