"""DOCX: paragraphs, headings and tables of a Word document, in order."""

import io
import zipfile
from collections.abc import Iterator
from typing import cast

import docx
from docx.document import Document
from docx.table import Table
from docx.text.paragraph import Paragraph
from lxml import etree

from shared.domain import FileFault, FilePart, Json, PlaceKind
from shared.errors import FileRefused
from shared.files.archives import check_sizes
from shared.files.texts import Source, Text


def read_docx(source: Source) -> Iterator[FilePart]:
    """Yield a Word document as one document, with the heading that each part stands under.

    Raises:
        FileRefused: it is damaged, has no text, or unpacks to too much.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(source.raw)) as packed:
            check_sizes(packed.infolist(), source.limits)
        yield _read(source, docx.Document(io.BytesIO(source.raw)))
    except (
        zipfile.BadZipFile,
        etree.XMLSyntaxError,
        KeyError,
        ValueError,
        AttributeError,
    ) as error:
        raise FileRefused(
            f"It is damaged and cannot be read ({type(error).__name__}: {error})."[:300],
            fault=FileFault.DAMAGED,
        ) from error


def _read(source: Source, document: Document) -> FilePart:
    text = Text(source)
    for block in document.iter_inner_content():
        if isinstance(block, Table):
            text.add(_cells(block))
            continue
        if _is_heading(block) and block.text.strip():
            text.mark(block.text)
        text.add(block.text)
    about = document.core_properties
    author = (about.author or "").strip()
    metadata: dict[str, Json] = {"author": author} if author else {}
    heading = text.marks[0][1] if text.marks else ""
    return text.whole(title=about.title or heading, metadata=metadata, place_kind=PlaceKind.HEADING)


def _is_heading(paragraph: Paragraph) -> bool:
    style = paragraph.style
    name = cast("str", style.name or "") if style is not None else ""
    return name == "Title" or name.startswith("Heading")


def _cells(table: Table) -> str:
    """Return the rows of a table as lines."""
    rows = ([" ".join(cell.text.split()) for cell in row.cells] for row in table.rows)
    return "\n".join(" | ".join(dict.fromkeys(row)) for row in rows)
