"""What the use cases ask of the world, in narrow protocols."""

from shared.ports.bell import Bell
from shared.ports.catalog import Claims, Collections, Inbox, Publications, Reading, Records, Roster
from shared.ports.encoding import Encoder, Encoders
from shared.ports.index import IndexStore, Snapshot

__all__ = [
    "Bell",
    "Claims",
    "Collections",
    "Encoder",
    "Encoders",
    "Inbox",
    "IndexStore",
    "Publications",
    "Reading",
    "Records",
    "Roster",
    "Snapshot",
]
