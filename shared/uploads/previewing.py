"""What a text or a file will become, without encoding or storing anything of it."""

from dataclasses import dataclass

from shared.domain import (
    Chunking,
    FileMember,
    FileOrder,
    FilePart,
    FileReading,
    NewUpload,
    Origin,
)
from shared.ports import Blobs, Encoder, FileReader

_SHOWN_PASSAGES = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class PassagePreview:
    """A passage that there will be: `text[start:end]`."""

    start: int
    end: int
    tokens: int
    text: str
    place: str
    """Where in its file it begins and ends, in words; empty where that has no name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DocumentPreview:
    """A document that there will be."""

    id: str
    """Empty where one will be made."""
    title: str
    characters: int
    """Of its text."""
    cut: int
    """Characters of the text that were left out of the preview, being too many."""
    passages: tuple[PassagePreview, ...]
    """The first of them."""
    total: int
    """Passages in all, of what was not left out."""
    tokens: int
    """That the encoder will read, of all of these passages."""
    warnings: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class FilePreview:
    """What a file will become."""

    reading: FileReading
    documents: tuple[DocumentPreview, ...]
    """The first of them."""
    members: tuple[str, ...]
    """Names of the files in an archive."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cutter:
    """What cuts documents, and how."""

    encoder: Encoder
    rule: Chunking
    most_characters: int
    """Of one text."""


def preview_document(
    cutter: Cutter, *, document_id: str, title: str, text: str, origin: Origin | None = None
) -> DocumentPreview:
    """Return how a document will be cut into passages, by the collection's own rule."""
    looked_at = text[: cutter.most_characters]
    chunked = cutter.encoder.chunk(title, looked_at, cutter.rule)
    shown = [
        PassagePreview(
            start=one.start,
            end=one.end,
            tokens=one.tokens,
            text=looked_at[one.start : one.end],
            place=origin.place(one.start, one.end).words if origin else "",
        )
        for one in chunked.passages[:_SHOWN_PASSAGES]
    ]
    return DocumentPreview(
        id=document_id,
        title=title,
        characters=len(text),
        cut=len(text) - len(looked_at),
        passages=tuple(shown),
        total=len(chunked.passages),
        tokens=sum(one.tokens for one in chunked.passages),
        warnings=chunked.warnings,
    )


def preview_file(
    cutter: Cutter, reader: FileReader, blobs: Blobs, upload: NewUpload, *, most: int
) -> FilePreview:
    """Read a file, in a process of its own, and return what its first documents will become.

    Args:
        cutter: what cuts them.
        reader: reads the file.
        blobs: where its bytes are.
        upload: the file, whose bytes are stored.
        most: documents to look at.

    Raises:
        FileRefused: it cannot be read.
    """
    documents: list[DocumentPreview] = []
    members: list[str] = []
    reading: FileReading | None = None
    order = FileOrder(name=upload.name, columns=upload.columns, most=most)
    with blobs.scratch() as scratch:
        for one in reader.read(blobs.path(upload.bytes.key), order, scratch=scratch):
            if isinstance(one, FilePart):
                documents.append(_of_part(cutter, one, upload.name))
            elif isinstance(one, FileMember):
                members.append(one.name)
            else:
                reading = one
    if reading is None:
        raise ValueError("A file was read without an end.")
    return FilePreview(reading=reading, documents=tuple(documents), members=tuple(members))


def _of_part(cutter: Cutter, part: FilePart, name: str) -> DocumentPreview:
    said = part.document
    origin = Origin(
        file=name, file_kind=part.file_kind, place_kind=part.place_kind, marks=part.marks
    )
    return preview_document(
        cutter,
        document_id=str(said.get("id") or f"{name}{part.suffix}"),
        title=_text(said.get("title")),
        text=_text(said.get("text")),
        origin=origin,
    )


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""
