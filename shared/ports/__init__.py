"""What the use cases ask of the world, in narrow protocols."""

from shared.ports.bell import Bell
from shared.ports.catalog import Claims, Collections, Inbox, Publications
from shared.ports.chores import Chores
from shared.ports.dead_letters import DeadLetters
from shared.ports.documents import Documents
from shared.ports.dump import Dump, Tables, TablesNow
from shared.ports.encoding import Encoder, Encoders
from shared.ports.events import Deliveries, Events, Webhooks
from shared.ports.expiry import Expiry
from shared.ports.index import Disk, IndexFiles, IndexStore, Snapshot, Step
from shared.ports.keys import Audit, Keys
from shared.ports.lookup import Reading, Records, Roster
from shared.ports.maps import Clusterer, Maps
from shared.ports.matching import Matching
from shared.ports.measures import History, Measures
from shared.ports.names import Discards, Names
from shared.ports.posting import Poster
from shared.ports.rebuilds import Rebuilds, Renditions
from shared.ports.uploads import (
    Blobs,
    FileReader,
    Incoming,
    Leftovers,
    Parsing,
    Uploads,
)
from shared.ports.versions import Versions
from shared.ports.waiting import Messages, Waiting

__all__ = [
    "Audit",
    "Bell",
    "Blobs",
    "Chores",
    "Claims",
    "Clusterer",
    "Collections",
    "DeadLetters",
    "Deliveries",
    "Discards",
    "Disk",
    "Documents",
    "Dump",
    "Encoder",
    "Encoders",
    "Events",
    "Expiry",
    "FileReader",
    "History",
    "Inbox",
    "Incoming",
    "IndexFiles",
    "IndexStore",
    "Keys",
    "Leftovers",
    "Maps",
    "Matching",
    "Measures",
    "Messages",
    "Names",
    "Parsing",
    "Poster",
    "Publications",
    "Reading",
    "Rebuilds",
    "Records",
    "Renditions",
    "Roster",
    "Snapshot",
    "Step",
    "Tables",
    "TablesNow",
    "Uploads",
    "Versions",
    "Waiting",
    "Webhooks",
]
