"""How much memory this process has in use."""

import gc
import os
import resource
import sys
from pathlib import Path

_STATM = Path("/proc/self/statm")


def resident_bytes() -> int:
    """Return the memory that this process has in use.

    Where the system does not say (all but Linux), the most that it ever had.
    """
    if _STATM.exists():
        pages = int(_STATM.read_text(encoding="ascii").split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE")
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most if sys.platform == "darwin" else most * 1024


def settle() -> None:
    """Keep the collector of garbage from what is there for good; call it once all is loaded.

    Torch and what comes with it are some 425,000 objects: looking at them all stops every thread
    for 0.3 s, each time that a process has made enough new ones.
    """
    gc.collect()
    gc.freeze()
