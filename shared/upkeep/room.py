"""Low disk: refuse work before it fails."""

from shared.errors import OutOfSpace
from shared.gauge import Gauge
from shared.ports import Disk
from shared.words import size


class Room:
    """How much disk is left for new work, asked at most once a second. For many threads."""

    def __init__(self, disk: Disk, floor_bytes: int) -> None:
        """Keep *floor_bytes* of *disk* free."""
        self._floor = floor_bytes
        self._free = Gauge(disk.free_bytes)

    def check(self, needed: int = 0) -> None:
        """Refuse work that would leave less than the floor.

        Args:
            needed: bytes that the work will write.

        Raises:
            OutOfSpace: too little is free.
        """
        free = self._free.value()
        if free is None or free >= self._floor + needed:
            return
        wanted = f" beside the {size(needed)} that this needs" if needed else ""
        raise OutOfSpace(
            f"{size(free)} are free, {size(self._floor)} must stay free{wanted} "
            "(LAMINA_STORAGE_MIN_FREE_BYTES)."
        )

    def fits(self, needed: int = 0) -> bool:
        """Whether `check` would let this pass."""
        free = self._free.value()
        return free is None or free >= self._floor + needed
