"""Turn files into documents: one file at a time, under a lease.

Documents are stored in batches, each in one transaction that also counts them; the last one ends
the file, too. So a parser that dies is followed by one that passes over what was stored: reading a
file is deterministic. Members of an archive become files of the same job, each parsed on its own,
so that one that ends its reader harms no other.
"""

import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import Path

import structlog

from shared import tracing
from shared.domain import (
    DocumentLimits,
    FileFault,
    FileIssue,
    FileKind,
    FileMember,
    FileOrder,
    FilePart,
    FileReading,
    Json,
    NewUpload,
    Origin,
    Parsed,
    Upload,
)
from shared.errors import (
    CommitUnknown,
    Fault,
    Fenced,
    FileRefused,
    OutOfSpace,
    Overloaded,
    Retryable,
)
from shared.failpoints import reach
from shared.heartbeat import Heartbeat
from shared.ingest import parse_document
from shared.measures.instruments import FILE_SECONDS, FILES
from shared.measures.tally import Tally
from shared.ports import Bell, Blobs, FileReader, Parsing
from shared.upkeep.room import Room
from shared.waiting.backlog import Backlog

log = structlog.get_logger(__name__)

_BATCH_DOCUMENTS = 500
_BATCH_CHARACTERS = 2_000_000
_TOLD = 100
_BLOCK = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Mill:
    """What a parser works with."""

    parsing: Parsing
    blobs: Blobs
    reader: FileReader
    rooms: tuple[Room, ...]
    """Of all that is written to: where files wait, and where segments lie."""
    backlog: Backlog
    bell: Bell
    limits: DocumentLimits
    file_bytes: int
    worker: str
    lease_seconds: float
    max_attempts: int
    retry_seconds: float
    """How long a file waits that could not be parsed by no fault of its own."""
    tally: Tally = field(default_factory=Tally)


def parse_next(mill: Mill) -> bool:
    """Parse the file that is next; whether there was one.

    Raises:
        Retryable, Overloaded, OutOfSpace: not now; the file was given back, as far as that is
            possible, and nothing of it is lost.
    """
    upload = mill.parsing.claim(
        mill.worker, lease_seconds=mill.lease_seconds, max_attempts=mill.max_attempts
    )
    if upload is None:
        return False
    log.info("file_claimed", job=upload.job_id, file=upload.id, attempt=upload.attempts)
    reach("upload.claimed")
    beat = Heartbeat(
        lambda: mill.parsing.renew(upload, lease_seconds=mill.lease_seconds),
        mill.lease_seconds / 3,
        name=f"upload {upload.id}",
    )
    beat.start()
    begun = time.perf_counter()
    try:
        outcome = _end(mill, upload, beat)
        mill.tally.add(FILES, outcome=outcome)
        mill.tally.observe(FILE_SECONDS, time.perf_counter() - begun)
    except Fenced:
        log.info("file_taken_away", job=upload.job_id, file=upload.id)
    except (Retryable, Overloaded, OutOfSpace):
        mill.parsing.release(upload, delay_seconds=mill.retry_seconds)
        raise
    finally:
        beat.stop()
    return True


def _end(mill: Mill, upload: Upload, beat: Heartbeat) -> str:
    """Read a file or refuse it; return which."""
    about: dict[str, str | int] = {"file": upload.id, "bytes": upload.bytes.size}
    try:
        with tracing.stage("parse", parent=upload.traceparent, **about):
            _parse(mill, upload, beat)
    except FileRefused as error:
        log.info("file_refused", job=upload.job_id, file=upload.id, fault=error.fault)
        mill.parsing.fail(upload, FileFault(error.fault), error.detail, None)
        return "refused"
    return "read"


def _parse(mill: Mill, upload: Upload, beat: Heartbeat) -> None:
    path = mill.blobs.path(upload.bytes.key)
    if not path.is_file():
        raise FileRefused(
            "Its bytes are not in this machine's data folder, which web and parser must share.",
            fault=FileFault.MISSING,
        )
    with mill.blobs.scratch() as scratch:
        order = FileOrder(name=upload.name, columns=upload.columns, in_archive=upload.in_archive)
        with closing(_Grinding(mill, upload, beat, scratch)) as grinding:
            for one in mill.reader.read(path, order, scratch=scratch):
                grinding.take(one)


@dataclass(slots=True)
class _Grinding:
    """One file being parsed."""

    mill: Mill
    upload: Upload
    beat: Heartbeat
    scratch: Path
    seen: int = 0
    """Documents that came out of it so far."""
    batch: list[Parsed] = field(default_factory=list)
    characters: int = 0
    members: list[NewUpload] = field(default_factory=list)
    skipped: int = 0
    issues: list[FileIssue] = field(default_factory=list)
    ended: bool = False

    def take(self, one: FilePart | FileMember | FileReading) -> None:
        """Take what the reader yields next.

        Raises:
            Fenced: the file was taken away.
            FileRefused: there is nothing to be had of it.
            Retryable, Overloaded, OutOfSpace: not now.
        """
        if self.beat.lost:
            raise Fenced(f"The file {self.upload.name!r} was taken away.") from self.beat.lost
        if isinstance(one, FileReading):
            self._end(one)
        elif isinstance(one, FileMember):
            self._keep(one)
        else:
            self._add(one)

    def close(self) -> None:
        """Let go of what was stored for nothing."""
        if not self.ended:
            for one in self.members:
                self.mill.blobs.remove(one.bytes.key)

    def _add(self, part: FilePart) -> None:
        parsed = self._checked(part)
        if parsed is None:
            return
        self.seen += 1
        if self.seen <= self.upload.stored:
            return
        self.batch.append(parsed)
        self.characters += len(parsed.document.text)
        if len(self.batch) >= _BATCH_DOCUMENTS or self.characters >= _BATCH_CHARACTERS:
            self._store(None)

    def _checked(self, part: FilePart) -> Parsed | None:
        """Return the document, if it is one that could be sent as well; else say why not."""
        faults: list[Fault] = []
        document = parse_document(_named(part, self.upload), "", self.mill.limits, faults)
        if document is not None:
            origin = Origin(
                file=self.upload.name,
                file_kind=part.file_kind,
                place_kind=part.place_kind,
                marks=part.marks,
            )
            return Parsed(document=document, origin=origin)
        words = "; ".join(f"{one.pointer.lstrip('/') or 'it'} {one.detail}" for one in faults)
        if not part.where:
            raise FileRefused(f"Its document is not valid: {words}.", fault=FileFault.DOCUMENT)
        self.skipped += 1
        if len(self.issues) < _TOLD:
            self.issues.append(FileIssue(where=part.where, detail=words))
        return None

    def _keep(self, member: FileMember) -> None:
        """Store a member of an archive as a file of its own."""
        incoming = self.mill.blobs.begin(most=self.mill.file_bytes)
        try:
            for block in _blocks(self.scratch / member.place):
                incoming.write(block)
            stored = incoming.keep(self.upload.collection_id)
        finally:
            incoming.drop()
        name = f"{self.upload.name}/{member.name}"
        new = NewUpload(name=name, bytes=stored, columns=self.upload.columns, in_archive=True)
        self.members.append(new)

    def _end(self, reading: FileReading) -> None:
        reading = replace(
            reading,
            skipped=reading.skipped + self.skipped,
            issues=(*reading.issues, *self.issues)[:_TOLD],
        )
        if reading.kind is FileKind.ZIP:
            if not self.members:
                raise _nothing("file", reading)
            try:
                self.mill.parsing.expand(self.upload, self.members, reading)
            except CommitUnknown:
                self.ended = True  # they may belong to files by now
                raise
            self.ended = True
            log.info("archive_unpacked", job=self.upload.job_id, files=len(self.members))
        else:
            if not self.seen:
                raise _nothing("row", reading)
            self._store(reading)
        reach("upload.ended")

    def _store(self, done: FileReading | None) -> None:
        for room in self.mill.rooms:
            room.check()
        self.mill.backlog.check(self.upload.lane)
        receipt = self.mill.parsing.store(self.upload, self.batch, done=done)
        self.mill.backlog.grow(len(receipt.documents))
        self.batch, self.characters = [], 0
        self.mill.bell.ring()
        reach("upload.stored")


def _named(part: FilePart, upload: Upload) -> dict[str, Json]:
    """Return the document as a producer would send it, called like its file if it has no id."""
    document = dict(part.document)
    if document.get("id") in (None, ""):
        document["id"] = f"{upload.name}{part.suffix}"
    own = document.get("metadata")
    metadata = dict(own) if isinstance(own, dict) else {}
    metadata.setdefault("file", upload.name)
    metadata.setdefault("file_type", part.file_kind.value)
    return document | {"metadata": metadata}


def _nothing(what: str, reading: FileReading) -> FileRefused:
    first = f" The first: {reading.issues[0].where}: {reading.issues[0].detail}"
    return FileRefused(
        f"No {what} of it can be used.{first if reading.issues else ''}", fault=FileFault.NO_TEXT
    )


def _blocks(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            yield block
