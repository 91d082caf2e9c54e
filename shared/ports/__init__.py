"""What the use cases ask of the world, in narrow protocols."""

from shared.ports.bell import Bell
from shared.ports.catalog import Claims, Collections, Inbox, Publications
from shared.ports.chores import Chores
from shared.ports.dump import Dump, Tables, TablesNow
from shared.ports.encoding import Encoder, Encoders
from shared.ports.index import IndexFiles, IndexStore, Snapshot, Step
from shared.ports.lookup import Reading, Records, Roster
from shared.ports.versions import Versions

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
