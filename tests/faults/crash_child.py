"""A process that dies at a named point: `python -m tests.faults.crash_child FOLDER POINT`."""

import sys
from pathlib import Path

from shared import failpoints
from shared.upkeep import merge_next
from tests.worlds import World


def main(folder: str, point: str) -> None:
    """Index what waits in the world of *folder*, then merge; die at *point* on the way."""
    with World.open(Path(folder)) as world:
        failpoints.arm(point)
        world.index_all()
        merge_next(world.upkeep())


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
