import math

import pytest

from shared.searching.evaluation import evaluate, ndcg


def test_a_perfect_ranking_scores_one() -> None:
    metrics = evaluate({"q": {"a": 1, "b": 1}}, {"q": ["a", "b", "c"]})

    assert metrics.ndcg_at_10 == metrics.recall_at_10 == metrics.mrr_at_10 == 1.0


def test_ndcg_of_a_ranking_worked_out_by_hand() -> None:
    # gains 0, 2, 0, 1 at ranks 1 to 4; ideal 2, 1
    gained = 2 / math.log2(3) + 1 / math.log2(5)
    ideal = 2 / math.log2(2) + 1 / math.log2(3)

    assert ndcg({"x": 2, "y": 1}, ["a", "x", "b", "y"], 10) == pytest.approx(gained / ideal)


def test_only_the_first_ten_count_for_rank_measures() -> None:
    ranked = [f"n{place}" for place in range(10)] + ["a"]
    metrics = evaluate({"q": {"a": 1}}, {"q": ranked})

    assert (metrics.ndcg_at_10, metrics.recall_at_10, metrics.mrr_at_10) == (0, 0, 0)
    assert metrics.recall_at_100 == 1


def test_queries_without_a_relevant_document_do_not_count() -> None:
    metrics = evaluate({"q": {"a": 1}, "none": {"b": 0}}, {"q": ["a"], "none": ["b"]})

    assert metrics.queries == 1
    assert metrics.ndcg_at_10 == 1


def test_a_query_that_found_nothing_counts_as_zero() -> None:
    metrics = evaluate({"q": {"a": 1}, "r": {"b": 1}}, {"q": ["a"]})

    assert metrics.recall_at_10 == 0.5
    assert metrics.mrr_at_10 == 0.5


def test_nothing_to_judge_is_zero_not_an_error() -> None:
    assert evaluate({}, {}).queries == 0
