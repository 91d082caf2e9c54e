"""What every catalog promises of collections."""

from dataclasses import replace

import pytest

from shared.domain import (
    Chunking,
    ChunkingMode,
    Collection,
    EncoderCard,
    IndexRule,
    Metric,
    Policy,
    RetentionRule,
    SpaceDraft,
)
from shared.errors import CollectionExists, CollectionNotFound, InvalidRequest
from tests.contract.catalogs import Catalog, put


def test_a_collection_is_found_by_name_and_by_id_as_it_was_created(catalog: Catalog) -> None:
    draft = SpaceDraft(
        encoder=EncoderCard(name="tiny", fingerprint="abc", dimension=4, max_tokens=16),
        metric=Metric.L2,
        chunking=Chunking(mode=ChunkingMode.NONE, max_tokens=12, overlap_tokens=0),
    )

    made = catalog.collections.create("papers", draft)

    assert made.space.metric is Metric.L2
    assert made.space.chunking == draft.chunking
    assert made.space.fingerprint == "abc"
    assert catalog.collections.get("papers") == made
    assert catalog.collections.by_id(made.id) == made


def test_a_new_collection_is_at_version_0_without_a_manifest_file(catalog: Catalog) -> None:
    before = catalog.reading.counter()
    made = catalog.collection()

    head = catalog.head(made)

    assert (head.version, head.manifest_file, head.manifest_sha256) == (0, "", "")
    assert catalog.reading.version(made.id, 0) == head
    assert catalog.reading.counter() > before


def test_a_name_is_taken_only_once(catalog: Catalog) -> None:
    catalog.collection("papers")

    with pytest.raises(CollectionExists, match="papers"):
        catalog.collection("papers")

    assert [one.collection.name for one in catalog.collections.stats()] == ["papers"]


@pytest.mark.parametrize("name", ["", "-a", "_a", "A", "a b", "ä", "a" * 64, "a/b", "a\n", "a٣"])
def test_a_name_that_is_not_plain_is_refused(catalog: Catalog, name: str) -> None:
    with pytest.raises(InvalidRequest):
        catalog.collection(name)


@pytest.mark.parametrize("name", ["a", "0", "a-b_c", "a" * 63])
def test_a_plain_name_is_accepted(catalog: Catalog, name: str) -> None:
    assert catalog.collection(name).name == name


def test_an_unknown_collection_is_not_found(catalog: Catalog) -> None:
    with pytest.raises(CollectionNotFound):
        catalog.collections.get("nowhere")
    with pytest.raises(CollectionNotFound):
        catalog.collections.by_id(404)


def test_stats_count_what_is_live_and_what_waits(catalog: Catalog) -> None:
    catalog.collection("b")
    catalog.collection("a")
    catalog.submit(put("1"), put("2"), collection="a")
    catalog.index_all()
    catalog.submit(put("3"), collection="a")

    a, b = catalog.collections.stats()

    assert (a.collection.name, a.version, a.documents, a.vectors, a.segments) == ("a", 1, 2, 2, 1)
    assert (a.bytes, a.waiting) == (200, 1)
    assert (b.collection.name, b.version, b.documents, b.waiting) == ("b", 0, 0, 0)


def test_a_collection_has_the_default_rules_unless_it_is_told_others(catalog: Catalog) -> None:
    plain = catalog.collection("plain")
    index = IndexRule(policy=Policy.IVFPQ, recall_target=0.9, memory_limit_bytes=1 << 33)
    retention = RetentionRule(versions=3, days=0.5, thinned=False)
    own = catalog.collections.create("own", draft_of(plain), index=index, retention=retention)

    assert (plain.index, plain.retention) == (IndexRule(), RetentionRule())
    assert (own.index, own.retention) == (index, retention)
    assert catalog.collections.get("own") == catalog.collections.by_id(own.id) == own
    assert [one.collection.index.policy for one in catalog.collections.stats()] == [
        Policy.IVFPQ,
        Policy.AUTO,
    ]


def test_each_rule_can_be_changed_by_itself(catalog: Catalog) -> None:
    catalog.collection("other")
    made = catalog.collection("c")
    index = IndexRule(policy=Policy.HNSW, recall_target=0.99, memory_limit_bytes=10)
    retention = RetentionRule(versions=1, days=0.0, thinned=True)

    first = catalog.collections.configure("c", index=index)
    second = catalog.collections.configure("c", retention=retention)
    third = catalog.collections.configure("c")
    unlimited = catalog.collections.configure("c", index=IndexRule(policy=Policy.SQ8))

    assert (first.index, first.retention) == (index, made.retention)
    assert second == third == replace(made, index=index, retention=retention)
    assert unlimited.index.memory_limit_bytes is None
    assert catalog.collections.get("c") == unlimited
    assert catalog.collections.get("other").index == IndexRule()
    with pytest.raises(CollectionNotFound):
        catalog.collections.configure("nowhere", index=index)


def draft_of(collection: Collection) -> SpaceDraft:
    space = collection.space
    card = EncoderCard(name=space.encoder, fingerprint="abc", dimension=4, max_tokens=16)
    return SpaceDraft(encoder=card, metric=space.metric, chunking=space.chunking)
