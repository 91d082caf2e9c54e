"""Encode stored passages once more, as they were encoded the first time."""

from collections.abc import Callable, Mapping
from typing import TypeAlias

import numpy as np

from shared.domain import Ids, Passage, Space, Vectors
from shared.indexing.vectors import prepare
from shared.ports import Encoder

Texts: TypeAlias = Mapping[int, tuple[str, str, int, int]]
"""By vector id: title and text of its revision, and where its passage starts and ends."""


def encode_anew(
    encoder: Encoder, space: Space, texts: Texts, *, between: Callable[[], None] | None = None
) -> tuple[Ids, Vectors]:
    """Encode the passages behind vectors.

    A document is cut again by the rule of its space, since the encoder may read more than the
    passage itself: a title, shortened if it is long. Passages that were cut by another hand (an
    import) are read as title, blank line and passage.

    Returns:
        the ids, rising, and `(n, dimension)` float32 as the metric of the space compares them.

    Raises:
        UnencodableDocument: a passage makes the model fail.
    """
    ids = np.array(sorted(texts), dtype=np.int64)
    cut: dict[tuple[str, str], Mapping[tuple[int, int], Passage]] = {}
    passages = []
    for one in ids.tolist():
        title, text, start, end = texts[one]
        if (title, text) not in cut:
            chunked = encoder.chunk(title, text, space.chunking)
            cut[title, text] = {(part.start, part.end): part for part in chunked.passages}
        found = cut[title, text].get((start, end))
        passages.append(found or _passage(encoder, title, text[start:end], start))
    vectors, _ = encoder.encode(passages, between=between)
    return ids, prepare(vectors, space.metric)


def _passage(encoder: Encoder, title: str, part: str, start: int) -> Passage:
    read = f"{title}\n\n{part}" if title and part else title or part
    return Passage(start=start, end=start + len(part), tokens=encoder.card.max_tokens, input=read)
