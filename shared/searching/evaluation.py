"""Measures of retrieval quality, as BEIR and trec_eval define them."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

Judgements = Mapping[str, int]
"""Document id to relevance; 0 or less is not relevant."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Metrics:
    """Averages over all queries that have a relevant document."""

    ndcg_at_10: float
    recall_at_10: float
    recall_at_100: float
    mrr_at_10: float
    queries: int


def evaluate(qrels: Mapping[str, Judgements], runs: Mapping[str, Sequence[str]]) -> Metrics:
    """Compare ranked document ids with judgements.

    Args:
        qrels: query id to judgements; queries without a relevant document do not count.
        runs: query id to document ids, best first; a missing query found nothing.

    Source:
        nDCG with linear gains as in trec_eval (Järvelin and Kekäläinen, TOIS 20(4), 2002),
        which is what BEIR (Thakur et al., 2021) reports.
    """
    judged = {
        query: {document: gain for document, gain in judgements.items() if gain > 0}
        for query, judgements in qrels.items()
    }
    judged = {query: relevant for query, relevant in judged.items() if relevant}
    pairs = [(relevant, list(runs.get(query, ()))) for query, relevant in judged.items()]
    return Metrics(
        ndcg_at_10=_mean([ndcg(relevant, ranked, 10) for relevant, ranked in pairs]),
        recall_at_10=_mean([recall(relevant, ranked, 10) for relevant, ranked in pairs]),
        recall_at_100=_mean([recall(relevant, ranked, 100) for relevant, ranked in pairs]),
        mrr_at_10=_mean([reciprocal_rank(relevant, ranked, 10) for relevant, ranked in pairs]),
        queries=len(pairs),
    )


def ndcg(relevant: Judgements, ranked: Sequence[str], k: int) -> float:
    """Return the normalised discounted cumulative gain of the first *k*, 0 to 1."""
    gained = _dcg([relevant.get(document, 0) for document in ranked[:k]])
    ideal = _dcg(sorted(relevant.values(), reverse=True)[:k])
    return gained / ideal


def recall(relevant: Judgements, ranked: Sequence[str], k: int) -> float:
    """Return the share of relevant documents among the first *k*, 0 to 1."""
    return len(relevant.keys() & set(ranked[:k])) / len(relevant)


def reciprocal_rank(relevant: Judgements, ranked: Sequence[str], k: int) -> float:
    """Return 1 / rank of the first relevant document among the first *k*, else 0."""
    for rank, document in enumerate(ranked[:k], start=1):
        if document in relevant:
            return 1 / rank
    return 0.0


def _dcg(gains: Sequence[int]) -> float:
    return sum(gain / math.log2(place + 2) for place, gain in enumerate(gains))


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values) if values else 0.0
