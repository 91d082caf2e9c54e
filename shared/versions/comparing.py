"""How the answer to a query moved between two versions."""

from collections.abc import Sequence

from shared.domain import Collection, Hit, RankingDiff, RankMove
from shared.errors import InvalidRequest
from shared.searching.opening import Opened
from shared.searching.queries import Query
from shared.searching.search import Searcher, check, encode_query, find, warnings_of
from shared.versions.shelf import Shelf, resolve


def compare_rankings(
    shelf: Shelf, searcher: Searcher, name: str, query: str, *, before: str, after: str, k: int
) -> RankingDiff:
    """Ask two versions the same, encoding the query once and looking at every vector.

    Exact on both sides, so that a move is one of the documents, never of a layout.

    Raises:
        InvalidRequest: a blank or too long query, k out of range, or a version that was encoded
            for another space.
        CollectionNotFound, TagNotFound, VersionNotFound, VersionExpired
        CorruptFile, Retryable: a version cannot be read now.
    """
    check(searcher, [Query(query=query, k=k)], [""])
    collection = shelf.collections.get(name)
    first, last = (
        _open(searcher, collection, resolve(shelf, name, ref)) for ref in (before, after)
    )
    vector, cut = encode_query(searcher, collection, query)
    hits_before = find(searcher, first, vector, k)
    hits_after = find(searcher, last, vector, k)
    return RankingDiff(
        collection=name,
        query=query,
        before=first.head.version,
        after=last.head.version,
        moves=moves(hits_before, hits_after),
        hits_before=hits_before,
        hits_after=hits_after,
        warnings=warnings_of(last, cut=cut),
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


def _open(searcher: Searcher, collection: Collection, version: int) -> Opened:
    opened = searcher.snapshots.at(collection.id, version)
    if opened.snapshot.manifest.space_id != collection.space.id:
        raise InvalidRequest(
            f"Version {version} was encoded by another encoder than {collection.name!r} uses "
            "now, so the same query cannot be asked of it."
        )
    return opened
