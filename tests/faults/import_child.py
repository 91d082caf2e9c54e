"""An import that dies at a named point: `python -m tests.faults.import_child FOLDER POINT`."""

import sys
from pathlib import Path

from shared import failpoints
from tests.archives import import_
from tests.worlds import World


def main(folder: str, point: str) -> None:
    """Import `c.tar` into the world of *folder*; die at *point* on the way."""
    with World.open(Path(folder)) as world:
        failpoints.arm(point)
        import_(world, Path(folder) / "c.tar")


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
