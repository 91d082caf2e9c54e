"""How the answer to a query moved between two versions, or how those to two queries differ."""

from collections.abc import Sequence

from shared.domain import Hit, RankingDiff, RankMove
from shared.errors import Fault, InvalidRequest
from shared.searching.queries import Query
from shared.searching.search import Searcher, check, encode_query, find, space_of, warnings_of
from shared.versions.shelf import Shelf, resolve

_POINTERS = ("/q", "/q_after")
"""Where the two queries stand in a request, for what is wrong with one."""
_OTHER_SPACE = (
    "Between the two versions the collection was rebuilt with another encoder or chunking rule: "
    "compare ranks, not scores."
)


def compare_rankings(
    shelf: Shelf,
    searcher: Searcher,
    name: str,
    query: str,
    *,
    before: str,
    after: str,
    k: int,
    query_after: str | None = None,
) -> RankingDiff:
    """Ask two versions the same, or one of them (or both) two queries, looking at every vector.

    Exact on both sides, so that a move is one of the documents, never of a layout.

    Args:
        shelf: where the versions stand.
        searcher: what asks.
        name: of the collection.
        query: asked of *before*, and of *after* unless that has a query of its own.
        before: number or tag of a version.
        after: the same; it may be the same version.
        k: documents of each ranking.
        query_after: asked of *after* in place of *query*.

    Raises:
        InvalidRequest: a blank or too long query, or k out of range.
        EncoderNotInstalled: a version is of an encoder that is not there any more.
        CollectionNotFound, TagNotFound, VersionNotFound, VersionExpired
        CorruptFile, Retryable: a version cannot be read now.
    """
    queries = [query] if query_after is None else [query, query_after]
    for one, pointer in zip(queries, _POINTERS, strict=False):
        _check(searcher, one, k, pointer)
    collection = shelf.collections.get(name)
    first, last = (
        searcher.snapshots.at(collection.id, resolve(shelf, name, ref)) for ref in (before, after)
    )
    spaces = [space_of(searcher, collection, one) for one in (first, last)]
    vector, cut = encode_query(searcher, spaces[0], queries[0])
    vector_after, cut_after = (
        encode_query(searcher, spaces[1], queries[-1])
        if spaces[0] != spaces[1] or len(queries) > 1
        else (vector, cut)
    )
    hits_before = find(searcher, first, vector, k)
    hits_after = find(searcher, last, vector_after, k)
    return RankingDiff(
        collection=name,
        query=query,
        query_after=queries[-1],
        before=first.head.version,
        after=last.head.version,
        moves=moves(hits_before, hits_after),
        hits_before=hits_before,
        hits_after=hits_after,
        metric=last.snapshot.manifest.metric,
        warnings=(
            *warnings_of(last, cut=cut or cut_after),
            *([_OTHER_SPACE] if spaces[0] != spaces[1] else []),
        ),
    )


def moves(before: Sequence[Hit], after: Sequence[Hit]) -> tuple[RankMove, ...]:
    """Return where each document of two rankings stood, those that left at the end."""
    ranks = {hit.id: (rank, hit) for rank, hit in enumerate(before, start=1)}
    moved = []
    for rank, hit in enumerate(after, start=1):
        rank_before, hit_before = ranks.pop(hit.id, (None, None))
        moved.append(
            RankMove(
                id=hit.id,
                title=hit.title,
                rank_before=rank_before,
                rank_after=rank,
                score_before=hit_before.score if hit_before else None,
                score_after=hit.score,
            )
        )
    left = [
        RankMove(
            id=hit.id,
            title=hit.title,
            rank_before=rank,
            rank_after=None,
            score_before=hit.score,
            score_after=None,
        )
        for rank, hit in ranks.values()
    ]
    return (*moved, *left)


def _check(searcher: Searcher, query: str, k: int, pointer: str) -> None:
    """Refuse a query that no collection could answer.

    Raises:
        InvalidRequest: with a fault for each thing wrong; of the query itself at *pointer*.
    """
    try:
        check(searcher, [Query(query=query, k=k)], [""])
    except InvalidRequest as error:
        places = {"/q": pointer}
        faults = [Fault(places.get(one.pointer, one.pointer), one.detail) for one in error.faults]
        raise InvalidRequest(error.detail, faults) from None
