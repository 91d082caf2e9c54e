"""Previews of documents and files, a few at a time: each may take a process of its own."""

import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace

from shared.domain import Collection, FileFault
from shared.errors import FileRefused, Overloaded, TooLarge
from shared.files import Pen
from shared.services import Services, file_limits
from shared.uploads.previewing import (
    Cutter,
    DocumentPreview,
    FilePreview,
    preview_document,
    preview_file,
)
from shared.uploads.receiving import Verdict

DOCUMENTS = 5
"""Of a file that are shown."""
FILES = 10
"""Of one request that are looked into."""
_AT_ONCE = 2
_WAIT_SECONDS = 10.0

_turns = threading.BoundedSemaphore(_AT_ONCE)


def look_at_text(
    services: Services, collection: Collection, title: str, text: str
) -> DocumentPreview:
    """Return how a text will be cut.

    Raises:
        TooLarge: it is longer than a document may be.
        Overloaded: others are looking at previews.
        EncoderNotInstalled, CorruptFile: the collection's encoder cannot be loaded.
    """
    most = services.limits.text_characters
    if len(text) > most or len(title) > services.limits.title_characters:
        raise TooLarge(f"A text may have {most:,} characters (LAMINA_LIMITS_TEXT_CHARACTERS).")
    with _turn():
        return preview_document(
            _cutter(services, collection), document_id="", title=title, text=text
        )


@dataclass(frozen=True, slots=True)
class Look:
    """Files being looked at, one after another, by one process."""

    services: Services
    cutter: Cutter
    pen: Pen

    def into(self, verdict: Verdict) -> tuple[Verdict, FilePreview | None]:
        """Return what a stored file will become; or its verdict, if it is refused after all.

        Of a file that is too large to be looked into here, nothing but that.
        """
        upload, most = verdict.upload, self.services.settings.files.preview_bytes
        if upload is None or upload.bytes.size > most:
            return verdict, None
        try:
            preview = preview_file(
                self.cutter, self.pen, self.services.blobs, upload, most=DOCUMENTS
            )
        except FileRefused as error:
            return replace(verdict, fault=FileFault(error.fault), detail=error.detail), None
        return verdict, preview


@contextmanager
def looking(services: Services, collection: Collection) -> Iterator[Look]:
    """Look at files of a collection within the block.

    Raises:
        Overloaded: others are looking at previews.
        EncoderNotInstalled, CorruptFile: the collection's encoder cannot be loaded.
    """
    seconds = services.settings.files.preview_seconds
    limits = replace(
        file_limits(services.settings), wall_seconds=seconds, cpu_seconds=max(1, int(seconds))
    )
    with _turn(), closing(Pen(limits)) as pen:
        yield Look(services, _cutter(services, collection), pen)


def max_tokens(services: Services, collection: Collection) -> int:
    """Return how many tokens a passage may have."""
    space = collection.space
    return space.chunking.max_tokens or services.encoders.card(space.encoder).max_tokens


def _cutter(services: Services, collection: Collection) -> Cutter:
    return Cutter(
        encoder=services.encoders.load(collection.space.fingerprint),
        rule=collection.space.chunking,
        most_characters=services.settings.files.preview_characters,
    )


@contextmanager
def _turn() -> Iterator[None]:
    if not _turns.acquire(timeout=_WAIT_SECONDS):
        raise Overloaded("Others are looking at previews; try again in a moment.")
    try:
        yield
    finally:
        _turns.release()
