"""Cut a document into passages that the encoder can read.

What the encoder reads is the document prompt, the title, a blank line and the passage, with
special tokens around them. Token counts are those of that whole input, counted after cutting.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeAlias

from tokenizers import Encoding

from shared.domain import Chunking, ChunkingMode, Passage
from shared.encoder.borders import Borders
from shared.encoder.tokens import LONGEST_PIECE, Tokens

Ids: TypeAlias = list[int]
Warnings: TypeAlias = tuple[str, ...]

LEAST_CONTENT = 16
"""Tokens of title and text that a passage holds at least, whatever a rule asks."""


@dataclass(frozen=True, slots=True)
class Chunk:
    """A passage and the token ids the encoder reads for it."""

    passage: Passage
    ids: Ids


def join(title: str, text: str) -> str:
    """Return what the encoder reads of a title and a text."""
    return f"{title}\n\n{text}" if title and text else title or text


class Chunker:
    """Cuts documents for one encoder."""

    def __init__(self, tokens: Tokens, *, prompt: str, max_tokens: int) -> None:
        self._tokens = tokens
        self._prompt = prompt
        self._fixed = tokens.specials + tokens.count(prompt)
        self._max_tokens = max_tokens

    def chunk(self, title: str, text: str, rule: Chunking) -> tuple[list[Chunk], Warnings]:
        """Cut a document by *rule*; return its passages in order and the warnings.

        An empty document yields one passage, which is empty too, so that every document has
        a vector; the warning says so. A rule of fewer than `LEAST_CONTENT` tokens is taken as
        that many.
        """
        limit = self._limit(rule)
        whole = None
        if rule.mode is ChunkingMode.NONE or len(text) <= LONGEST_PIECE:
            whole = self._tokens.read(self._prompt + join(title, text))
            fits = len(whole) + self._tokens.specials <= limit
            if fits or rule.mode is ChunkingMode.NONE or not text.strip():
                return self._single(title, text, limit, whole)
        if whole is None:
            spans = self._spans_of_pieces(text)
        else:
            spans = _spans_after(whole, len(self._prompt) + len(title) + 2 * bool(title))
        borders = Borders(text, spans)
        most = (limit - self._fixed) // 2
        shorter, tokens = self._shorten(title, most)
        if shorter == title:
            return self._passages(title, text, borders, limit, rule.overlap_tokens)
        chunks, warnings = self._passages(shorter, text, borders, limit, rule.overlap_tokens)
        warning = f"Title cut after {most} of {tokens} tokens, to leave room for the text."
        return chunks, (warning, *warnings)

    def _limit(self, rule: Chunking) -> int:
        asked = rule.max_tokens or self._max_tokens
        return min(max(asked, self._fixed + LEAST_CONTENT), self._max_tokens)

    def _single(
        self, title: str, text: str, limit: int, whole: Encoding
    ) -> tuple[list[Chunk], Warnings]:
        tokens = len(whole) + self._tokens.specials
        end = len(text)
        warnings: Warnings = ()
        if not len(whole) or not join(title, text).strip():
            warnings = ("Title and text are empty; a search by meaning cannot find the document.",)
        if tokens > limit:
            warnings = (
                f"Cut after {limit} of {tokens} tokens; the rest cannot be found by search.",
            )
            end = self._read_up_to(title, text, limit, whole)
        ids = self._tokens.finish(whole, limit)
        passage = Passage(start=0, end=end, tokens=len(ids), input=join(title, text))
        return [Chunk(passage, ids)], warnings

    def _read_up_to(self, title: str, text: str, limit: int, whole: Encoding) -> int:
        """Return how many characters of *text* the encoder reads within *limit* tokens."""
        kept = limit - self._tokens.specials
        characters = whole.token_to_chars(kept - 1) if kept else None
        head = len(self._prompt) + (len(title) + 2 if title and text else len(title))
        return min(len(text), max(0, characters[1] - head)) if characters else 0

    def _shorten(self, title: str, most: int) -> tuple[str, int]:
        """Cut *title* to at most *most* tokens; return it with its tokens before."""
        whole = self._tokens.read(title)
        count = len(whole)
        keep = most
        while count > most and title and keep:
            characters = whole.token_to_chars(keep - 1)
            shorter = title[: characters[1] if characters else 0].rstrip()
            # Tokens at the cut may be others than before.
            if self._tokens.count(shorter) <= most:
                return shorter, count
            keep -= 1
        return (title if count <= most else ""), count

    def _passages(
        self, title: str, text: str, borders: Borders, limit: int, overlap: int
    ) -> tuple[list[Chunk], Warnings]:
        head = self._fixed
        if title:
            head = self._tokens.specials + self._tokens.count(f"{self._prompt}{title}\n\n")
        room = max(1, limit - head)
        chunks: list[Chunk] = []
        warnings: dict[str, None] = {}
        start = done = 0
        while done < len(borders) or not chunks:
            stop, chunk, over = self._fit(title, text, borders, (start, start + room), limit)
            if stop <= done and start < done:
                start = done  # what is repeated left no room for anything new
                continue
            if over > 0:
                where = f"{chunk.passage.start} to {chunk.passage.end}"
                warnings[f"{over} tokens cut from the passage at characters {where}."] = None
            chunks.append(chunk)
            done = stop
            start = borders.back(stop, min(overlap, room // 2), after=start)
        return chunks, tuple(warnings)

    def _fit(
        self, title: str, text: str, borders: Borders, window: tuple[int, int], limit: int
    ) -> tuple[int, Chunk, int]:
        """Make a passage of the tokens in *window* or, where its input is too long, of fewer.

        Returns:
            the token it ends before, the passage, and how many tokens had to be cut off because
            there is no place for a border.
        """
        start, most = window
        stop = borders.cut(start, most)
        while True:
            begin, end = borders.begin(start), borders.end(stop)
            read = join(title, text[begin:end])
            whole = self._tokens.read(self._prompt + read)
            over = len(whole) + self._tokens.specials - limit
            shorter = borders.cut(start, max(start + 1, stop - over)) if over > 0 else stop
            if shorter >= stop:
                break
            stop = shorter
        ids = self._tokens.finish(whole, limit)
        passage = Passage(start=min(begin, end), end=end, tokens=len(ids), input=read)
        return stop, Chunk(passage, ids), over

    def _spans_of_pieces(self, text: str) -> Iterator[tuple[int, int]]:
        for place, piece in _pieces(text):
            for start, end in self._tokens.read(piece).offsets:
                yield start + place, end + place


def _spans_after(whole: Encoding, head: int) -> Iterator[tuple[int, int]]:
    """Return the spans of the tokens behind the first *head* characters, counted from there."""
    return ((max(0, start - head), end - head) for start, end in whole.offsets if end > head)


def _pieces(text: str) -> Iterator[tuple[int, str]]:
    """Split a long text at white space into (place, piece), none much over `LONGEST_PIECE`."""
    place = 0
    while len(text) - place > LONGEST_PIECE:
        end = place + LONGEST_PIECE
        while end > place + LONGEST_PIECE // 2 and not text[end - 1].isspace():
            end -= 1
        yield place, text[place:end]
        place = end
    yield place, text[place:]
