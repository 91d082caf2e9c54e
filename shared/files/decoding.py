"""Bytes to text, whatever their encoding; what was guessed is said."""

import codecs
from dataclasses import dataclass

from charset_normalizer import from_bytes

_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),  # before UTF-16, whose mark it begins with
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_SAMPLE_BYTES = 256 * 1024
_FALLBACK = "cp1252"
_TINY_BYTES = 64
"""A text so short gives no reason for any guess; windows-1252 is the most common."""
_SHORT_BYTES = 512
_ALIKE = frozenset(
    {"cp1250", "cp1254", "cp1257", "latin_1", "iso8859_2", "iso8859_15", "mac_roman"}
)
"""Guesses for which a short text gives too little reason over windows-1252."""
_ODD_SHARE = 0.05
"""Control characters among others, from where bytes are no text."""


@dataclass(frozen=True, slots=True)
class Decoded:
    """A text and the encoding it was read in."""

    text: str
    encoding: str
    warning: str | None = None
    """What the user should know, if it was guessed badly."""


def decode(raw: bytes) -> Decoded:
    r"""Return the text that *raw* is: UTF-8, what its mark says, or what it looks like.

    In that order; `charset-normalizer` guesses, and windows-1252 is taken where it cannot, with
    U+FFFD for what that has no character for. Line ends become `\n`, NUL goes.
    """
    found = _decode(raw)
    text = found.text.replace("\r\n", "\n").replace("\r", "\n").replace("\x00", "")
    return Decoded(text, found.encoding, found.warning)


def decode_head(head: bytes) -> str | None:
    """Return the text that a file begins with; None if it is none."""
    for mark, encoding in _MARKS:
        if head.startswith(mark):
            return head.decode(encoding, "replace")
    if b"\x00" in head:
        return None
    odd = sum(one < 32 and one not in (9, 10, 12, 13, 27) for one in head)  # noqa: PLR2004
    if odd > _ODD_SHARE * len(head):
        return None
    return head.decode("utf-8", "replace")


def _decode(raw: bytes) -> Decoded:
    for mark, encoding in _MARKS:
        if raw.startswith(mark):
            text = raw.decode(encoding, "replace")
            return Decoded(text, encoding.removesuffix("-sig"), _damage(text))
    try:
        return Decoded(raw.decode("utf-8"), "utf-8")
    except UnicodeDecodeError:
        guess = from_bytes(raw[:_SAMPLE_BYTES]).best()
    encoding = _FALLBACK if guess is None else guess.encoding
    if len(raw) < _TINY_BYTES or (encoding in _ALIKE and len(raw) < _SHORT_BYTES):
        encoding = _FALLBACK
    text = raw.decode(encoding, "replace")
    return Decoded(text, encoding, _damage(text) or f"Its encoding was guessed: {encoding}.")


def _damage(text: str) -> str | None:
    count = text.count("\N{REPLACEMENT CHARACTER}")
    if not count:
        return None
    return f"{count:,} characters could not be read in its encoding and were replaced."
