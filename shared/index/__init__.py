"""The index: FAISS files in a folder. Immutable segments, delete sets, manifests, snapshots."""

from shared.index.files import Files
from shared.index.policy import choose
from shared.index.store import FolderIndexStore

__all__ = ["Files", "FolderIndexStore", "choose"]
