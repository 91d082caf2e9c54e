"""Files that people bring: their bytes, what they are, and what is read out of them.

Everything that looks inside a file runs in a child process (`child.py`) with limits on memory, time
and processor; this process only sees lines of JSON that it does not trust (`pen.py`).
"""

from shared.files.limits import FileLimits
from shared.files.names import clean_name
from shared.files.pen import Pen
from shared.files.sniffing import sniff
from shared.files.store import FolderBlobs

__all__ = ["FileLimits", "FolderBlobs", "Pen", "clean_name", "sniff"]
