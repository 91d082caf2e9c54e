"""HTML: the main text of a page, without what stands around it."""

from collections.abc import Iterator
from typing import Any

import trafilatura

from shared.domain import FileFault, FilePart, Json, PlaceKind
from shared.errors import FileRefused
from shared.files.texts import Source, Text

_LEAST = 200
"""Characters of a main text from where it is believed; else all text of the page is taken."""
_WARNING = "No main text was found in the page, so all of its text was taken."


def read_html(source: Source) -> Iterator[FilePart]:
    """Yield a web page as one document, with the heading that each part stands under.

    Raises:
        FileRefused: it cannot be read, or has no text.
    """
    tree = trafilatura.load_html(source.raw)
    if tree is None:
        raise FileRefused("It is no web page that can be read.", fault=FileFault.DAMAGED)
    source.notes.encoding = tree.getroottree().docinfo.encoding
    named = " ".join(tree.xpath("string((//title)[1])").split())
    found: Any = trafilatura.bare_extraction(
        tree, include_comments=False, include_tables=True, with_metadata=True, favor_recall=True
    )
    text = Text(source)
    if found is not None and found.body is not None:
        _add_body(text, found.body)
    if text.length < _LEAST:
        text = _with_all(text, source)
    metadata: dict[str, Json] = {}
    if found is not None:
        said = {"author": found.author, "date": found.date, "site": found.sitename}
        metadata = {name: value for name, value in said.items() if value}
    title = (found.title if found is not None else "") or named
    yield text.whole(title=title, metadata=metadata, place_kind=PlaceKind.HEADING)


def _with_all(text: Text, source: Source) -> Text:
    """Return all text of the page, if that is much more than what was taken for the main text."""
    every = trafilatura.html2txt(source.raw)
    if len(every) <= 2 * text.length:
        return text
    whole = Text(source)
    whole.add(every)
    source.notes.warnings.append(_WARNING)
    return whole


def _add_body(text: Text, body: Any) -> None:
    """Append the blocks of what trafilatura extracted, an element `body` of its own making."""
    for block in body:
        said = " ".join("".join(block.itertext()).split())
        if block.tag == "head" and said:
            text.mark(said)
        if block.tag in ("list", "table", "quote"):
            parts = (" ".join("".join(one.itertext()).split()) for one in block)
            said = "\n".join(part for part in parts if part)
        text.add(said)
