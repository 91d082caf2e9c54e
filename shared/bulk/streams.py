"""Bytes as they come, cut into lines or unpacked, in memory that does not grow with them."""

import zlib
from collections.abc import Iterable, Iterator

from shared.errors import InvalidRequest, TooLarge

_STEP = 64 * 1024
_FREE_BYTES = 8 * 1024 * 1024
"""Unpacked bytes from where the ratio counts: a small body does no harm, and may be all alike."""
_GZIP = 16 + zlib.MAX_WBITS


def split(chunks: Iterable[bytes], most: int) -> Iterator[bytes | None]:
    r"""Yield the lines of a stream without their `\n`; None for one of more than *most* bytes.

    No more than *most* bytes are held of any line. What stands after the last `\n` is a line too.
    """
    held = bytearray()
    too_long = False
    for chunk in chunks:
        *ends, rest = chunk.split(b"\n")
        for end in ends:
            too_long = too_long or len(held) + len(end) > most
            yield None if too_long else bytes(held + end)
            held.clear()
            too_long = False
        too_long = too_long or len(held) + len(rest) > most
        if too_long:
            held.clear()
        else:
            held += rest
    if too_long:
        yield None
    elif held:
        yield bytes(held)


def gunzip(chunks: Iterable[bytes], *, most_bytes: int, most_ratio: int) -> Iterator[bytes]:
    """Unpack gzip (RFC 1952), members one after another too, a few kilobytes at a time.

    Args:
        chunks: the packed bytes.
        most_bytes: how many bytes may come of them.
        most_ratio: how many for each packed one, once 8 MiB came.

    Raises:
        InvalidRequest: not gzip, damaged, or it ends too early.
        TooLarge: more comes of it than may.
    """
    inflater = zlib.decompressobj(_GZIP)
    packed = unpacked = 0
    for chunk in chunks:
        packed += len(chunk)
        left = chunk
        while left:
            if inflater.eof:
                inflater = zlib.decompressobj(_GZIP)
            try:
                piece = inflater.decompress(left, _STEP)
            except zlib.error as error:
                raise InvalidRequest(f"The body is not sound gzip ({error}).") from error
            left = inflater.unused_data if inflater.eof else inflater.unconsumed_tail
            unpacked += len(piece)
            _check(packed, unpacked, most_bytes, most_ratio)
            yield piece
    if packed and not inflater.eof:
        raise InvalidRequest("The gzip body ends before its end.")


def _check(packed: int, unpacked: int, most_bytes: int, most_ratio: int) -> None:
    if unpacked > most_bytes:
        raise TooLarge(
            f"The body is larger than {most_bytes} bytes unpacked (LAMINA_LIMITS_BULK_BYTES)."
        )
    if unpacked > _FREE_BYTES and unpacked > most_ratio * packed:
        raise TooLarge(
            f"The body unpacks to more than {most_ratio} times its size (LAMINA_LIMITS_BULK_RATIO)."
        )
