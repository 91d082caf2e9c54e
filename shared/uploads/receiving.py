"""Take files in: look at each, store its bytes, accept what can be read as a job.

The bytes are durable before the catalog hears of them. Whoever dies in between leaves bytes that
belong to nobody, which the next collection of garbage removes.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import structlog

from shared import tracing
from shared.domain import (
    Columns,
    FileFault,
    FileKind,
    Lane,
    NewUpload,
    Receipt,
    Submission,
    sha256_of,
)
from shared.errors import CommitUnknown, FileRefused, TooLarge
from shared.failpoints import reach
from shared.ingest import traced
from shared.ports import Blobs, Incoming, Uploads
from shared.upkeep.room import Room
from shared.waiting.backlog import Backlog

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Depot:
    """What taking files in works with."""

    uploads: Uploads
    blobs: Blobs
    rooms: tuple[Room, ...]
    """Of all that is written to: where files wait, and where segments lie."""
    backlog: Backlog
    sniff: Callable[[bytes, str], FileKind]
    clean_name: Callable[[str], str]
    file_bytes: int
    """The most that one file may have."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """Whether a file is taken, and why not."""

    name: str
    size: int
    kind: FileKind | None = None
    """What it seems to be; a Word document is an archive until it is opened."""
    upload: NewUpload | None = None
    """None if it is refused."""
    fault: FileFault | None = None
    detail: str = ""


def judge(depot: Depot, collection_id: int, name: str, file: Incoming, columns: Columns) -> Verdict:
    """Look at a file that came in, and store it if it can be read.

    Args:
        depot: the ports.
        collection_id: whose it is to be.
        name: as its sender calls it.
        file: all of its bytes.
        columns: which are what, should it be a table.

    Raises:
        IndexUnavailable: it cannot be stored now.
    """
    try:
        clean = depot.clean_name(name)
        kind = depot.sniff(file.head, clean)
        upload = NewUpload(name=clean, bytes=file.keep(collection_id), columns=columns)
    except (FileRefused, TooLarge) as error:
        file.drop()
        fault = FileFault(error.fault) if isinstance(error, FileRefused) else FileFault.TOO_LARGE
        return Verdict(name=name, size=file.size, fault=fault, detail=error.detail)
    return Verdict(name=clean, size=file.size, kind=kind, upload=upload)


def without_namesakes(depot: Depot, verdicts: Sequence[Verdict]) -> list[Verdict]:
    """Refuse files that are called like one before them: one would replace the other."""
    seen: set[str] = set()
    found = []
    for one in verdicts:
        if one.upload is not None and one.name in seen:
            depot.blobs.remove(one.upload.bytes.key)
            found.append(
                Verdict(
                    name=one.name,
                    size=one.size,
                    fault=FileFault.BAD_NAME,
                    detail="Another file of the same request has its name.",
                )
            )
            continue
        seen.add(one.name)
        found.append(one)
    return found


def receive(depot: Depot, verdicts: Sequence[Verdict], submission: Submission) -> Receipt:
    """Accept the files that were found good, as one job; committed when this returns.

    Args:
        depot: the ports.
        verdicts: at least one of them good; none is called like another.
        submission: whose they are; without documents.

    Raises:
        CollectionNotFound, KeyReused, Overloaded, OutOfSpace: nothing was accepted, and no bytes
            are kept.
    """
    files = [one.upload for one in verdicts if one.upload is not None]
    reach("upload.kept")
    try:
        check_room(depot, submission.lane)
        with tracing.stage("accept", files=len(files)):
            receipt = depot.uploads.accept(traced(submission), files)
    except CommitUnknown:
        raise  # they may belong to files by now
    except BaseException:
        _drop(depot, files)
        raise
    if receipt.repeated:
        _drop(depot, files)
    log.info("files_accepted", job=receipt.job_id, files=len(files), repeated=receipt.repeated)
    return receipt


def confirm(
    depot: Depot, submission: Submission, draft: str, columns: Mapping[str, Columns]
) -> Receipt | None:
    """Accept files that were remembered under a secret name; None if there are none any more.

    Args:
        depot: the ports.
        submission: whose they are; without documents.
        draft: the name.
        columns: of tables, by the id of the upload; others stay as they are.

    Raises:
        CollectionNotFound, Overloaded, OutOfSpace: nothing was accepted; they are still kept.
    """
    check_room(depot, submission.lane)
    with tracing.stage("accept"):
        receipt = depot.uploads.confirm(traced(submission), draft, columns)
    if receipt is not None:
        log.info("files_confirmed", job=receipt.job_id)
    return receipt


def remember(depot: Depot, collection: str, draft: str, verdicts: Sequence[Verdict]) -> None:
    """Store the files that were found good under a secret name, to be confirmed later.

    Raises:
        CollectionNotFound: nothing is kept.
    """
    files = [one.upload for one in verdicts if one.upload is not None]
    try:
        depot.uploads.draft(collection, draft, files)
    except CommitUnknown:
        raise
    except BaseException:
        _drop(depot, files)
        raise


def check_room(depot: Depot, lane: Lane) -> None:
    """Refuse files while too much waits, or the disk is nearly full.

    Raises:
        Overloaded, OutOfSpace
    """
    for room in depot.rooms:
        room.check()
    depot.backlog.check(lane)


def checksum(verdicts: Sequence[Verdict]) -> str:
    """Return a hash of what was sent, so that a key with other files is noticed."""
    return sha256_of(
        [
            [
                one.name,
                one.upload.bytes.sha256 if one.upload else one.size,
                *_said(one.upload.columns if one.upload else Columns()),
            ]
            for one in verdicts
        ]
    )


def _said(columns: Columns) -> list[str | None]:
    return [columns.id, columns.title, *columns.text]


def _drop(depot: Depot, files: Sequence[NewUpload]) -> None:
    for one in files:
        depot.blobs.remove(one.bytes.key)
