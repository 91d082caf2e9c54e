"""A fresh process that opens an index: `python -m tests.benchmarks.index.opening FOLDER DIM`.

Prints JSON: milliseconds to open, to the first answer and to the second, and the memory that
this process holds alone and shares.
"""

import json
import sys
import time
from itertools import pairwise
from pathlib import Path

from tests.benchmarks.index.clustered import Clusters
from tests.benchmarks.index.collection import Library


def memory() -> dict[str, float]:
    """Return this process's memory in MiB: alone, and shared with others."""
    amounts: dict[str, float] = {}
    for line in Path("/proc/self/smaps_rollup").read_text(encoding="ascii").splitlines()[1:]:
        name, _, rest = line.partition(":")
        amounts[name] = int(rest.split()[0]) / 1024
    private = amounts["Private_Clean"] + amounts["Private_Dirty"]
    return {"rss": amounts["Rss"], "private": private, "anonymous": amounts["Anonymous"]}


def main() -> None:
    folder, dimension = Path(sys.argv[1]), int(sys.argv[2])
    queries = Clusters(dimension).queries(2)
    library = Library.open(folder, dimension)
    before = memory()
    marks = [time.perf_counter()]
    snapshot = library.snapshot()
    marks.append(time.perf_counter())
    for query in queries:
        snapshot.search(query[None], 10)
        marks.append(time.perf_counter())
    after = memory()
    opened, first, second = (1000 * (b - a) for a, b in pairwise(marks))
    figures = {"open_ms": opened, "first_ms": first, "second_ms": second}
    print(json.dumps(figures | {name: after[name] - before[name] for name in after}))


if __name__ == "__main__":
    main()
