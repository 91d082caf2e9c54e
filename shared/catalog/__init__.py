"""The catalog in SQL: SQLite or PostgreSQL, the only arbiter of truth.

One class a port of `shared/ports/catalog.py`, all over one `Database`.
"""

from shared.catalog.claims import SqlClaims
from shared.catalog.collections import SqlCollections
from shared.catalog.database import Database
from shared.catalog.inbox import SqlInbox
from shared.catalog.publications import SqlPublications
from shared.catalog.reading import SqlReading
from shared.catalog.records import SqlRecords
from shared.catalog.roster import SqlRoster

__all__ = [
    "Database",
    "SqlClaims",
    "SqlCollections",
    "SqlInbox",
    "SqlPublications",
    "SqlReading",
    "SqlRecords",
    "SqlRoster",
]
