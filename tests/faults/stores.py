"""An index store in which something happens at a certain moment."""

from collections.abc import Callable
from pathlib import Path

from shared.domain import Manifest
from shared.index import FolderIndexStore


class Warned(FolderIndexStore):
    """An index store that says when its first manifest is written: the commit comes next."""

    def __init__(self, root: Path, happens: Callable[[], object]) -> None:
        super().__init__(root)
        self._happens = [happens]

    def write_manifest(self, manifest: Manifest) -> tuple[str, str]:
        written = super().write_manifest(manifest)
        while self._happens:
            self._happens.pop()()
        return written
