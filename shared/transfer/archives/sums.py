"""Lists of checksums, in the format that `sha256sum --check` reads."""

import hashlib
import re
from collections.abc import Mapping
from pathlib import Path

from shared.errors import ArchiveRefused
from shared.transfer.archives.drafts import parts_of

NAME = "SHA256SUMS"
"""What such a file is called."""

_LINE = re.compile(r"(?P<sha256>[0-9a-f]{64})  (?P<name>[^\x00-\x1f\\]+)")


def dump(sums: Mapping[str, str]) -> bytes:
    """Return the list, a line a file: sha256, two spaces, name; in the order given."""
    return "".join(f"{sha256}  {name}\n" for name, sha256 in sums.items()).encode()


def load(content: bytes, where: str) -> dict[str, str]:
    """Return sha256 by name.

    Raises:
        ArchiveRefused: not such a list, or a name twice.
    """
    found: dict[str, str] = {}
    try:
        *lines, rest = content.decode().split("\n")
    except UnicodeDecodeError as error:
        raise ArchiveRefused(f"{where}: not UTF-8.") from error
    for number, line in enumerate(lines, start=1):
        match = _LINE.fullmatch(line)
        if match is None or match["name"] in found:
            raise ArchiveRefused(f"{where}:{number}: not a checksum, or a name twice.")
        found[match["name"]] = match["sha256"]
    if rest:
        raise ArchiveRefused(f"{where}: its last line is cut off.")
    return found


def of_file(path: Path) -> str:
    """Return the sha256 of a file."""
    digest = hashlib.sha256()
    for part in parts_of(path):
        digest.update(part)
    return digest.hexdigest()
