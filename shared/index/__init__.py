"""The index: FAISS files in a folder. Immutable segments, delete sets, manifests, snapshots."""

from shared.index.clustering import cluster
from shared.index.files import Files
from shared.index.formats import FORMAT
from shared.index.local import LocalFiles
from shared.index.opening import open_store
from shared.index.policy import choose, restyle
from shared.index.store import FolderIndexStore

__all__ = [
    "FORMAT",
    "Files",
    "FolderIndexStore",
    "LocalFiles",
    "choose",
    "cluster",
    "open_store",
    "restyle",
]
