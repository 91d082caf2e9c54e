"""What is wrong with questions, told before any of them is asked."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace

from shared.domain import Collection, Metric, Space
from shared.errors import Fault, InvalidRequest
from shared.searching.cursors import Cursor
from shared.searching.queries import Moment, Query, SearchLimits

LARGEST_VALUE = 1e15
"""Largest value of a vector that asks: its products with fp16 values still fit float32."""


def check_any(
    queries: Sequence[Query],
    pointers: Sequence[str],
    *,
    query_characters: int,
    max_k: int,
    limits: SearchLimits,
) -> None:
    """Refuse questions that no collection could answer.

    Raises:
        InvalidRequest: with a fault for each thing wrong; *pointers* say where each question is.
    """
    faults = [
        Fault(pointer + where, detail)
        for query, pointer in zip(queries, pointers, strict=True)
        for where, detail in _faults(query, query_characters, max_k)
    ]
    _refuse(faults)
    shown = sum(query.k * query.passages for query in queries)
    if shown > limits.passages:
        raise InvalidRequest(
            f"The request asks for {shown} passages (k times passages of every query); at most "
            f"{limits.passages}."
        )


def check_for(
    collection: Collection,
    queries: Sequence[Query],
    pointers: Sequence[str],
    *,
    depth: int,
    space: Space | None,
) -> list[Cursor | None]:
    """Refuse questions that this collection cannot answer; return the cursors that they bring.

    Vectors are looked at only if it is known of which *space* they must be.

    Raises:
        InvalidRequest: with a fault for each thing wrong.
    """
    faults = _faults_of_vectors(space, queries, pointers) if space else []
    cursors: list[Cursor | None] = []
    for query, pointer in zip(queries, pointers, strict=True):
        cursor = None
        if query.cursor is not None:
            cursor = Cursor.read(query.cursor, f"{pointer}/cursor")
            cursor.check_question(collection, query, f"{pointer}/cursor")
            if cursor.offset >= depth:
                detail = f"leads past the first {depth} documents, which is as far as pages go"
                faults.append(Fault(f"{pointer}/cursor", detail))
        cursors.append(cursor)
    _refuse(faults)
    return cursors


def check_vectors(space: Space, queries: Sequence[Query], pointers: Sequence[str]) -> None:
    """Refuse vectors that cannot be compared with those of a space.

    Raises:
        InvalidRequest: with a fault for each thing wrong.
    """
    _refuse(_faults_of_vectors(space, queries, pointers))


def pin(moment: Moment, cursors: Sequence[Cursor | None], pointers: Sequence[str]) -> Moment:
    """Return which version is searched: that of the cursors, if there are any.

    Raises:
        InvalidRequest: what names a version does not agree.
    """
    if moment.version is not None and (moment.after or moment.min_version is not None):
        raise InvalidRequest("`version` names one version; it cannot go with `after`.")
    for cursor, pointer in zip(cursors, pointers, strict=True):
        if cursor is None:
            continue
        where, given = f"{pointer}/cursor", cursor.version
        if moment.after is not None:
            detail = "names a version already; it cannot go with `after`"
            raise InvalidRequest(f"A cursor {detail}.", [Fault(where, detail)])
        if moment.version not in (None, given):
            detail = f"is of version {given}, not of {moment.version} as the rest of the request"
            raise InvalidRequest(f"A cursor {detail}.", [Fault(where, detail)])
        if given < (moment.min_version or 0):
            detail = f"is of version {given}, which is older than `min_version`"
            raise InvalidRequest(f"A cursor {detail}.", [Fault(where, detail)])
        moment = replace(moment, version=given)
    return moment


def _faults(query: Query, query_characters: int, max_k: int) -> Iterator[tuple[str, str]]:
    asking = [one for one in (query.query, query.vector, query.like) if one is not None]
    if len(asking) != 1:
        yield "/q", "one of `q`, `vector` and `like` must ask, and no more than one"
    if query.query is not None:
        yield from (("/q", one) for one in _word_faults(query.query, query_characters))
    if query.like is not None and not query.like:
        yield "/like", "is empty"
    if not 1 <= query.k <= max_k:
        yield "/k", f"must be 1 to {max_k}"
    if query.passages < 1:
        yield "/passages", "must be at least 1"
    if query.min_score is not None and not math.isfinite(query.min_score):
        yield "/min_score", "must be a finite number"


def _word_faults(words: str, most: int) -> Iterator[str]:
    if not words.strip():
        yield "is blank"
    if len(words) > most:
        yield f"has {len(words)} characters; at most {most}"


def _faults_of_vectors(
    space: Space, queries: Sequence[Query], pointers: Sequence[str]
) -> list[Fault]:
    return [
        Fault(f"{pointer}/vector", fault)
        for query, pointer in zip(queries, pointers, strict=True)
        for fault in _vector_faults(space, query)
    ]


def _vector_faults(space: Space, query: Query) -> Iterator[str]:
    if query.vector is None:
        return
    if len(query.vector) != space.dimension:
        yield f"has {len(query.vector)} values; the collection's vectors have {space.dimension}"
    if not all(abs(one) <= LARGEST_VALUE for one in query.vector):  # false for NaN as well
        yield f"holds a value that is not finite, or beyond {LARGEST_VALUE:g}"
    elif space.metric is Metric.COSINE and not any(query.vector):
        yield "is zero, which has no direction"


def _refuse(faults: Sequence[Fault]) -> None:
    if faults:
        raise InvalidRequest(_in_words(faults[0]), faults)


def _in_words(fault: Fault) -> str:
    """Return a fault as a sentence for people, who know no pointers."""
    name = fault.pointer.rpartition("/")[2]
    noun = {"q": "The query", "vector": "The vector", "cursor": "The cursor"}.get(name, name)
    number = fault.pointer.removeprefix("/queries/").partition("/")[0]
    where = f"Query {number}: " if fault.pointer.startswith("/queries/") else ""
    return f"{where}{noun} {fault.detail}."
