"""The catalog in SQL: SQLite or PostgreSQL, the only arbiter of truth.

One class a port of `shared/ports/catalog.py`, all over one `Database`.
"""

from shared.catalog.chores import SqlChores
from shared.catalog.claims import SqlClaims
from shared.catalog.collections import SqlCollections
from shared.catalog.database import Database
from shared.catalog.dumping import SqlDump
from shared.catalog.inbox import SqlInbox
from shared.catalog.publications import SqlPublications
from shared.catalog.reading import SqlReading
from shared.catalog.records import SqlRecords
from shared.catalog.roster import SqlRoster
from shared.catalog.versions import SqlVersions

__all__ = [
    "Database",
    "SqlChores",
    "SqlClaims",
    "SqlCollections",
    "SqlDump",
    "SqlInbox",
    "SqlPublications",
    "SqlReading",
    "SqlRecords",
    "SqlRoster",
    "SqlVersions",
]
