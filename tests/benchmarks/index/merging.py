"""An upkeep worker that only merges: `python -m tests.benchmarks.index.merging FOLDER SECONDS`."""

import os
import sys
import time
from pathlib import Path

from shared.services import open_services, open_upkeep
from shared.settings import Settings
from shared.upkeep.merging import merge_next


def main() -> None:
    os.nice(19)
    folder, seconds = Path(sys.argv[1]), float(sys.argv[2])
    settings = Settings(data_dir=folder)
    services = open_services(settings)
    upkeep = open_upkeep(services)
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if not merge_next(upkeep):
            time.sleep(settings.merge.every_seconds)
    services.close()


if __name__ == "__main__":
    main()
