"""What is shown of the documents that were found."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from shared.domain import Hit, PassageHit, PassageRecord, Vectors
from shared.ports import Matching, Reading, Snapshot
from shared.searching.queries import Query
from shared.searching.ranking import Page, good_enough

Scored = tuple[int, float]
"""A vector and its score."""


def show(
    reading: Reading,
    matching: Matching,
    snapshot: Snapshot,
    page: Page,
    query: Query,
    vector: Vectors,
) -> tuple[Hit, ...]:
    """Return the documents of *page* as hits, with as many passages and vectors as asked for.

    Args:
        reading: for texts.
        matching: for the other passages of the documents.
        snapshot: all of the version.
        page: what was found.
        query: what was asked.
        vector: what asked, `(1, dimension)`.
    """
    best = [(one.vector_id, one.score) for one in page.documents]
    several: Mapping[int, Sequence[Scored]] = {}
    if query.passages > 1 and best:
        several = _passages(matching, snapshot, page, query, vector)
    shown = [one for one, _ in best] + [one for some in several.values() for one, _ in some]
    records = reading.passages(sorted(set(shown)))
    vectors = _vectors(snapshot, records) if query.vectors else {}
    hits = []
    for document in page.documents:
        # One without a record was purged since this snapshot was opened.
        if record := records.get(document.vector_id):
            hit = _hit(record, document.score, vectors)
            passages = tuple(
                _passage(records[one], score, vectors)
                for one, score in several.get(document.document_id, ())
                if one in records
            )
            hits.append(replace(hit, passages=passages))
    return tuple(hits)


def _passages(
    matching: Matching, snapshot: Snapshot, page: Page, query: Query, vector: Vectors
) -> Mapping[int, Sequence[Scored]]:
    """Return the best passages of each document, the best first, by document.

    All passages of these documents are looked at: the search may have found only some of them.
    """
    siblings = snapshot.among(matching.siblings([one.vector_id for one in page.documents]))
    owners = matching.owners(siblings.ids().tolist())
    scores, ids = siblings.search(vector, max(1, siblings.live), exact=True)
    good = np.ones(scores.shape[1], dtype=bool)
    if query.min_score is not None:
        higher = snapshot.manifest.metric.higher_is_better
        good = good_enough(scores[0], query.min_score, higher=higher)
    found: defaultdict[int, list[Scored]] = defaultdict(list)
    for one, score in zip(ids[0, good].tolist(), scores[0, good].tolist(), strict=True):
        if one in owners and len(found[owners[one]]) < query.passages:
            found[owners[one]].append((one, score))
    return found


def _vectors(
    snapshot: Snapshot, records: Mapping[int, PassageRecord]
) -> Mapping[int, tuple[float, ...]]:
    ids = np.fromiter(records, dtype=np.int64)
    return dict(zip(records, map(tuple, snapshot.vectors(ids).tolist()), strict=True))


def _hit(record: PassageRecord, score: float, vectors: Mapping[int, tuple[float, ...]]) -> Hit:
    return Hit(
        id=record.external_id,
        score=score,
        title=record.title,
        passage=record.passage,
        start=record.start,
        end=record.end,
        metadata=record.metadata,
        vector=vectors.get(record.vector_id),
        place=record.place,
    )


def _passage(
    record: PassageRecord, score: float, vectors: Mapping[int, tuple[float, ...]]
) -> PassageHit:
    return PassageHit(
        score=score,
        passage=record.passage,
        start=record.start,
        end=record.end,
        vector=vectors.get(record.vector_id),
        place=record.place,
    )
