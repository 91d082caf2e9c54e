"""The data folder: whether it can be written, who can read it, how much fits."""

import os
import shutil
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path

from shared.cli.doctor.findings import Finding, ok, warning, wrong
from shared.settings import Settings
from shared.words import size

_SECRETS = ("secret.key", "broker/passwords.json", "broker/server.conf")
_LARGE = ("index", "uploads", "cache")
"""What may lie on a disk of its own: segments, files that wait to be read, copies of segments."""
_REMOTE = frozenset({"nfs", "nfs4", "cifs", "smb3", "9p", "fuse.sshfs", "glusterfs"})
_MOUNTS = Path("/proc/self/mounts")
_OTHERS = stat.S_IRWXG | stat.S_IRWXO


def check_folder(settings: Settings) -> Iterator[Finding]:
    """Look at the data folder, without changing anything in it."""
    folder = settings.data_dir
    if not folder.is_dir():
        yield warning(
            "data folder", f"{folder} is not there yet.", "Starting Lamina makes it: ./run"
        )
        return
    try:
        tempfile.TemporaryFile(dir=folder).close()
    except OSError as error:
        yield wrong(
            "data folder",
            f"{folder} cannot be written: {error.strerror}.",
            f"Give it to the account that runs Lamina (uid {os.geteuid()}), or name another with "
            "LAMINA_DATA_DIR.",
        )
    else:
        yield ok("data folder", str(folder))
    yield from _secrets(folder)
    yield from _space(settings)
    if settings.database_url is None and (kind := _file_system(folder)) in _REMOTE:
        yield wrong(
            "data folder",
            f"{folder} lies on a network file system ({kind}), where SQLite can lose data.",
            "Use a local disk, or PostgreSQL with LAMINA_DATABASE_URL.",
        )


def _secrets(folder: Path) -> Iterator[Finding]:
    for name in _SECRETS:
        path = folder / name
        if path.exists() and path.stat().st_mode & _OTHERS:
            yield wrong(
                "data folder",
                f"{path} can be read by other accounts of this machine.",
                f"chmod 600 {path}",
            )


def _space(settings: Settings) -> Iterator[Finding]:
    """Look at each disk that a part of the folder lies on; parts may be mounted or linked."""
    seen: set[int] = set()
    for part in (settings.data_dir, *(settings.data_dir / name for name in _LARGE)):
        if part.is_dir() and (disk := part.stat().st_dev) not in seen:
            seen.add(disk)
            yield _free(part, settings.storage.min_free_bytes)


def _free(folder: Path, floor: int) -> Finding:
    free = shutil.disk_usage(folder).free
    words = f"{folder}: {size(free)} free, {size(floor)} must stay free"
    advice = (
        "Make room: old versions go with `lamina gc`, or move the folder to a larger disk "
        "(LAMINA_DATA_DIR)."
    )
    if free < floor:
        return wrong("disk", f"{words}: nothing new is taken.", advice)
    if free < 2 * floor:
        return warning("disk", f"{words}.", advice)
    return ok("disk", words)


def _file_system(folder: Path) -> str:
    """Return the kind of file system that *folder* lies on; empty where nobody says."""
    if not _MOUNTS.exists():
        return ""
    best, kind = "", ""
    for line in _MOUNTS.read_text(encoding="utf-8", errors="replace").splitlines():
        _, where, found, *_ = line.split(" ")
        if folder.resolve().is_relative_to(where) and len(where) >= len(best):
            best, kind = where, found
    return kind
