"""What is asked of the catalog about files, and of the place where their bytes are.

Any call of the catalog may raise `CatalogUnavailable`.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import BinaryIO, Protocol

from shared.domain import (
    Bytes,
    Columns,
    FileFault,
    FileMember,
    FileOrder,
    FilePart,
    FileReading,
    FilesRetried,
    NewUpload,
    Original,
    Parsed,
    Receipt,
    Submission,
    Upload,
    UploadReport,
)


class Uploads(Protocol):
    """Files as their owners see them. Their bytes are stored before any of these is called."""

    def accept(self, submission: Submission, files: Sequence[NewUpload]) -> Receipt:
        """Accept files to be parsed, as a new job; committed when this returns.

        *submission* has no documents. With a key, as `Inbox.accept`: the same again gets the first
        answer, `repeated`, and the bytes that came with it belong to nobody.

        Raises:
            CollectionNotFound: there is none.
            KeyReused: the key was used with other content.
        """
        ...

    def draft(self, collection: str, name: str, files: Sequence[NewUpload]) -> None:
        """Remember files under a secret name, until they are confirmed or given up.

        Raises:
            CollectionNotFound: there is none.
        """
        ...

    def drafted(self, collection: str, name: str) -> Sequence[tuple[UploadReport, NewUpload]]:
        """Return what is remembered under this name, in order; nothing if it was given up."""
        ...

    def confirm(
        self, submission: Submission, name: str, columns: Mapping[str, Columns]
    ) -> Receipt | None:
        """Accept drafted files, as `accept` does; None if there are none under this name.

        Args:
            submission: as for `accept`.
            name: of the draft.
            columns: of tables, by the id of the upload; others stay as they are.
        """
        ...

    def of_job(
        self, job_id: str, *, limit: int, behind: int = -1
    ) -> Sequence[tuple[int, UploadReport]]:
        """Return files of a job in order, those behind a place, each with its place."""
        ...

    def retry(self, job_id: str, *, names: Collection[str] | None) -> FilesRetried:
        """Let files of a job that failed wait again, all of them or those called so.

        One that some documents were stored of goes on behind them.
        """
        ...

    def original(self, collection: str, external_id: str) -> Original | None:
        """Return the file that a document's newest text was read from; None if it is not kept.

        Raises:
            CollectionNotFound, DocumentNotFound
        """
        ...


class Parsing(Protocol):
    """Files as parsers take them. Every write is fenced by the upload's epoch."""

    def claim(self, worker: str, *, lease_seconds: float, max_attempts: int) -> Upload | None:
        """Take the file that is next, or whose parser's lease ran out; None if there is none.

        One that *max_attempts* parsers have held and lost has failed instead.
        """
        ...

    def renew(self, upload: Upload, *, lease_seconds: float) -> None:
        """Extend the lease.

        Raises:
            Fenced: it was taken away, or cancelled.
        """
        ...

    def store(
        self, upload: Upload, parsed: Sequence[Parsed], *, done: FileReading | None
    ) -> Receipt:
        """Accept documents of the file; with *done* it ends. All in one transaction.

        Raises:
            Fenced: as for `renew`; nothing was written.
            InvalidDocument: a document holds what no database can; nothing was written.
        """
        ...

    def expand(self, upload: Upload, files: Sequence[NewUpload], reading: FileReading) -> None:
        """End an archive: its members become files of the same job, in the same transaction.

        Raises:
            Fenced: as for `renew`; nothing was written.
        """
        ...

    def fail(
        self, upload: Upload, fault: FileFault, words: str, reading: FileReading | None
    ) -> None:
        """End the file without what is not stored yet, and tell of it.

        Raises:
            Fenced: as for `renew`; nothing was written.
        """
        ...

    def release(self, upload: Upload, *, delay_seconds: float) -> None:
        """Give the file back; nobody takes it before *delay_seconds* have passed."""
        ...


class Leftovers(Protocol):
    """Stored bytes that nobody needs, and those that somebody does."""

    def give_up_drafts(self, *, older_than_seconds: float) -> int:
        """Forget drafts that nobody confirmed; return how many."""
        ...

    def unneeded(
        self, *, older_than_seconds: float, failed_seconds: float, limit: int
    ) -> Sequence[tuple[str, str]]:
        """Return (upload id, key) of files that ended so long ago and that no text refers to.

        Those that could not be read, only *failed_seconds* after that.
        """
        ...

    def removed(self, upload_ids: Sequence[str]) -> None:
        """Say that the bytes of these are gone."""
        ...

    def known(self, keys: Sequence[str]) -> frozenset[str]:
        """Return which of these keys belong to an upload."""
        ...

    def kept(self, collection_id: int) -> Sequence[Bytes]:
        """Return the stored bytes that files of a collection have, by their keys."""
        ...


class FileReader(Protocol):
    """Reads files in a process of its own, which they cannot leave."""

    def read(
        self, path: Path, order: FileOrder, *, scratch: Path
    ) -> Iterator[FilePart | FileMember | FileReading]:
        """Yield what is in a file: its documents or, of an archive, its members; a reading last.

        Args:
            path: of its bytes.
            order: what they are called, and which columns are what.
            scratch: an empty folder for members of an archive.

        Raises:
            FileRefused: it cannot be read, or not any further; why.
            IndexUnavailable: nor could another one: the disk is full, or fails.
            Busy: it was closed meanwhile, by another thread.
        """
        ...

    def close(self) -> None:
        """End the process, whatever it does; the next `read` starts another."""
        ...


class Incoming(Protocol):
    """A file that is being stored."""

    head: bytes
    """Its first bytes, at least 8 kB if it has them."""
    size: int
    """Bytes so far, those left out too."""

    def write(self, part: bytes) -> int:
        """Take the next bytes; past the most that was said they are only counted."""
        ...

    def keep(self, collection_id: int) -> Bytes:
        """Make it durable: fsync and rename; it is there for good when this returns.

        Raises:
            TooLarge: it is longer than it may be.
        """
        ...

    def drop(self) -> None:
        """Let it go, unless it was kept."""
        ...


class Blobs(Protocol):
    """The bytes of files, each under a key that no other has; never changed."""

    def begin(self, *, most: int) -> Incoming:
        """Begin to store a file of at most *most* bytes.

        Raises:
            IndexUnavailable: it cannot be written.
        """
        ...

    def open(self, key: str) -> BinaryIO:
        """Open a stored file to read it.

        Raises:
            FileNotFoundError: it is not there.
        """
        ...

    def path(self, key: str) -> Path:
        """Return where a stored file is, for a process that reads it."""
        ...

    def remove(self, key: str) -> None:
        """Remove a file; one that is not there is fine."""
        ...

    def remove_all(self, collection_id: int) -> None:
        """Remove every file of a collection."""
        ...

    def entries(self) -> Iterator[tuple[str, float]]:
        """Yield the key and time of change of every file, half-stored ones too."""
        ...

    def scratch(self) -> AbstractContextManager[Path]:
        """Return an empty folder beside them, which is gone afterwards."""
        ...

    def free_bytes(self) -> int:
        """Return the space that is free where they are stored."""
        ...
