"""1,000 new vectors a second: `python -m tests.benchmarks.index.writing FOLDER DIM SECONDS`."""

import os
import sys
import time
from pathlib import Path

from tests.benchmarks.index.clustered import Clusters
from tests.benchmarks.index.collection import Library

_BATCH = 1000
_FIRST_DOCUMENT = 6_000_000


def main() -> None:
    os.nice(19)
    folder, dimension, seconds = Path(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3])
    library = Library.open(folder, dimension)
    library.documents = _FIRST_DOCUMENT
    clusters = Clusters(dimension)
    started = time.monotonic()
    number = 0
    while time.monotonic() < started + seconds:
        library.publish(clusters.vectors(_FIRST_DOCUMENT + number * _BATCH, _BATCH))
        number += 1
        time.sleep(max(0.0, started + number - time.monotonic()))
    library.close()


if __name__ == "__main__":
    main()
