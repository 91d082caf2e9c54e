"""A save or load that dies: `python -m tests.faults.backup_child FOLDER save|load POINT`."""

import sys
from pathlib import Path

from shared import failpoints
from tests.integration.test_backups import load_into, save_to
from tests.worlds import World


def main(folder: Path, what: str, point: str) -> None:
    """Save the world of *folder* to `backup`, or load that into `new`; die at *point*."""
    if what == "load":
        failpoints.arm(point)
        load_into(folder / "new", folder / "backup")
        return
    with World.open(folder) as world:
        failpoints.arm(point)
        save_to(world, folder / "backup")


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], sys.argv[3])
