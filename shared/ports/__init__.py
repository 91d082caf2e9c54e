"""What the use cases ask of the world, in narrow protocols."""

from shared.ports.bell import Bell
from shared.ports.catalog import (
    Chores,
    Claims,
    Collections,
    Inbox,
    Publications,
    Reading,
    Records,
    Roster,
    Versions,
)
from shared.ports.dump import Dump, Tables, TablesNow
from shared.ports.encoding import Encoder, Encoders
from shared.ports.index import IndexFiles, IndexStore, Snapshot, Step

__all__ = [
    "Bell",
    "Chores",
    "Claims",
    "Collections",
    "Dump",
    "Encoder",
    "Encoders",
    "Inbox",
    "IndexFiles",
    "IndexStore",
    "Publications",
    "Reading",
    "Records",
    "Roster",
    "Snapshot",
    "Step",
    "Tables",
    "TablesNow",
    "Versions",
]
