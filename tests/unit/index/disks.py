"""Disks that count, record and fail, in place of the real one."""

import errno
import os
from dataclasses import dataclass, field
from pathlib import Path

from shared.index.disk import Disk


@dataclass
class RecordingDisk(Disk):
    """Writes down each step, and fails at one of them if told to."""

    steps: list[tuple[str, str]] = field(default_factory=list)
    fail_at: int | None = None
    error: int = errno.ENOSPC
    _names: dict[int, str] = field(default_factory=dict)

    def _step(self, verb: str, name: str) -> None:
        self.steps.append((verb, name))
        if self.fail_at == len(self.steps):
            raise OSError(self.error, os.strerror(self.error))

    def make_folder(self, path: Path) -> None:
        self._step("make_folder", path.name)
        super().make_folder(path)

    def create(self, path: Path) -> int:
        self._step("create", path.name)
        descriptor = super().create(path)
        self._names[descriptor] = path.name
        return descriptor

    def write(self, descriptor: int, content: bytes | memoryview) -> None:
        self._step("write", self._names[descriptor])
        super().write(descriptor, content)

    def sync(self, descriptor: int) -> None:
        self._step("sync", self._names[descriptor])

    def sync_folder(self, path: Path) -> None:
        self._step("sync_folder", path.name)

    def rename(self, old: Path, new: Path) -> None:
        self._step("rename", new.name)
        super().rename(old, new)
