"""From accepted text to a found passage, over the real catalog and the real index files."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from shared.domain import Chunking, Lane, Metric, Receipt, State
from shared.errors import Retryable
from shared.indexing.turns import index_next
from shared.ingest import deletion, submit
from tests.worlds import World


@pytest.fixture
def world(tmp_path: Path, database_url: str) -> Iterator[World]:
    """A world on each database, since what publishes must hold on both."""
    with World.open(tmp_path, database_url=database_url) as opened:
        yield opened


def test_accepted_documents_are_indexed_in_one_version_and_found(world: World) -> None:
    receipt = world.add({"id": "a", "text": "tides"}, {"id": "b", "text": "treaties"})

    world.index_all()

    job = world.records.job(receipt.job_id)
    assert job.counts[State.INDEXED] == 2
    assert job.version == 1
    assert world.found("tides") == ["a", "b"]
    assert world.found("treaties")[0] == "b"


def test_an_upsert_swaps_old_for_new_in_one_version(world: World) -> None:
    world.add({"id": "a", "text": "old words"})
    world.index_all()
    world.add({"id": "a", "text": "new words"})
    world.index_all()

    assert world.live_documents() == {"a": 1}
    assert world.texts_at(1) == ["old words"]
    assert world.texts_at(2) == ["new words"]


def test_the_same_content_again_is_not_encoded_and_makes_no_version(world: World) -> None:
    world.add({"id": "a", "text": "same"})
    world.index_all()
    encoded = world.encoder.encoded

    receipt = world.add({"id": "a", "text": "same"})
    world.index_all()

    assert world.records.job(receipt.job_id).counts[State.UNCHANGED] == 1
    assert world.encoder.encoded == encoded
    assert world.head().version == 1


def test_the_same_content_that_still_waits_is_encoded_once(world: World) -> None:
    world.add({"id": "a", "text": "same"})
    world.add({"id": "a", "text": "same"})
    world.index_all()

    assert world.encoder.encoded == 1
    assert world.live_documents() == {"a": 1}


def test_changed_metadata_copies_the_vector_instead_of_encoding(world: World) -> None:
    world.add({"id": "a", "text": "same", "metadata": {"year": 1}})
    world.index_all()
    before = world.vectors()
    encoded = world.encoder.encoded

    world.add({"id": "a", "text": "same", "metadata": {"year": 2}})
    world.index_all()

    assert world.encoder.encoded == encoded
    assert world.live_documents() == {"a": 1}
    assert np.array_equal(world.vectors(), before)
    assert world.hits("same")[0].metadata == {"year": 2}


def test_a_delete_takes_the_document_out_and_keeps_the_old_version(world: World) -> None:
    world.add({"id": "a", "text": "one"}, {"id": "b", "text": "two"})
    world.index_all()

    submit(world.inbox, world.bell, deletion("a", collection="c", source="api"))
    world.index_all()

    assert world.found("one") == ["b"]
    assert sorted(world.texts_at(1)) == ["one", "two"]


def test_a_document_may_come_back_after_its_delete(world: World) -> None:
    world.add({"id": "a", "text": "one"})
    world.index_all()
    submit(world.inbox, world.bell, deletion("a", collection="c", source="api"))
    world.index_all()
    world.add({"id": "a", "text": "one"})
    world.index_all()

    assert world.live_documents() == {"a": 1}


def test_put_delete_put_taken_together_leave_the_last_word(world: World) -> None:
    world.add({"id": "a", "text": "first"})
    submit(world.inbox, world.bell, deletion("a", collection="c", source="api"))
    world.add({"id": "a", "text": "last"})
    world.index_all()

    assert world.texts_at(world.head().version) == ["last"]


def test_an_older_revision_that_comes_late_is_superseded(world: World) -> None:
    first = world.add({"id": "a", "text": "old"})
    slow = world.claim()
    world.add({"id": "a", "text": "new"})
    world.index_all()

    world.finish(slow)

    assert world.records.job(first.job_id).counts[State.SUPERSEDED] == 1
    assert world.texts_at(world.head().version) == ["new"]
    assert world.live_documents() == {"a": 1}


def test_one_bad_document_fails_alone(world: World) -> None:
    documents = [{"id": f"d{n}", "text": f"text {n}"} for n in range(9)]
    documents[4]["text"] = "this one is poison"
    world.encoder.refuse("poison")

    receipt = world.add(*documents)
    world.index_all()

    job = world.records.job(receipt.job_id)
    assert job.counts[State.FAILED] == 1
    assert job.counts[State.INDEXED] == 8
    assert [issue.document for issue in job.errors] == ["d4"]
    assert len(world.live_documents()) == 8


def test_a_vector_that_fp16_cannot_hold_fails_its_document(tmp_path: Path) -> None:
    with World.open(tmp_path, metric=Metric.L2) as world:
        world.encoder.scale("huge", 1e6)
        receipt = world.add({"id": "a", "text": "huge"}, {"id": "b", "text": "fine"})
        world.index_all()

        job = world.records.job(receipt.job_id)
        assert "16-bit" in job.errors[0].message
        assert world.live_documents() == {"b": 1}


def test_a_fault_of_nobody_gives_the_claim_back(world: World) -> None:
    receipt = world.add({"id": "a", "text": "patience"})
    world.encoder.break_down()

    with pytest.raises(Retryable):
        index_next(world.bench)

    assert world.records.job(receipt.job_id).counts[State.PENDING] == 1
    world.encoder.recover()
    world.index_all()
    assert world.found("patience") == ["a"]


def test_urgent_work_passes_between_two_passes_of_a_bulk_claim(world: World) -> None:
    world.encoder.pass_rows = 1
    world.add(*({"id": f"b{n}", "text": f"bulk {n}"} for n in range(4)), lane=Lane.BULK)
    posted: list[Receipt] = []

    def post_while_busy() -> None:
        if not posted:
            posted.append(world.add({"id": "me", "text": "urgent"}))

    world.encoder.on_pass = post_while_busy
    index_next(world.bench)

    urgent = world.records.job(posted[0].job_id)
    assert urgent.counts[State.INDEXED] == 1
    assert urgent.version == 1, "the urgent document was published before the bulk claim"
    assert world.head().version == 2


def test_a_steady_stream_of_urgent_work_does_not_hold_a_bulk_claim_up(world: World) -> None:
    world.encoder.pass_rows = 1
    bulk = world.add(*({"id": f"b{n}", "text": f"bulk {n}"} for n in range(4)), lane=Lane.BULK)
    posted: list[Receipt] = []

    def post() -> None:
        assert len(posted) < 20, "the bulk claim does not get on"
        posted.append(world.add({"id": f"u{len(posted)}", "text": f"urgent {len(posted)}"}))

    world.encoder.on_pass = post
    index_next(world.bench)

    assert world.records.job(bulk.job_id).counts[State.INDEXED] == 4
    assert world.records.job(posted[2].job_id).counts[State.INDEXED] == 1


def test_a_worker_that_shall_stop_gives_back_what_it_has_not_encoded(world: World) -> None:
    world.encoder.pass_rows = 1
    receipt = world.add(*({"id": f"d{n}", "text": f"text {n}"} for n in range(4)))
    bench = replace(world.bench, stopping=lambda: world.encoder.encoded >= 2)

    with pytest.raises(Retryable):
        index_next(bench)

    assert world.encoder.encoded == 2
    assert world.records.job(receipt.job_id).counts[State.PENDING] == 4


def test_a_worker_whose_claim_was_taken_away_publishes_nothing(world: World) -> None:
    receipt = world.add({"id": "a", "text": "once"})
    slow = world.claim()
    world.claims.reap(worker=world.bench.worker, max_crashes=3)
    world.index_all()

    world.finish(slow)

    assert world.head().version == 1
    assert world.live_documents() == {"a": 1}
    assert world.records.job(receipt.job_id).counts[State.INDEXED] == 1


def test_long_texts_become_passages_and_a_hit_names_the_best(tmp_path: Path) -> None:
    with World.open(tmp_path, chunking=Chunking(max_tokens=16, overlap_tokens=0)) as world:
        filler = " ".join(f"filler{n}" for n in range(60))
        world.add({"id": "long", "text": f"{filler} needle {filler}"})
        world.index_all()

        assert world.live_documents()["long"] > 3
        hits = world.hits("filler0 filler1", k=5)
        assert [hit.id for hit in hits] == ["long"], "a document is listed once"
        assert filler.startswith(hits[0].passage[:10]) or hits[0].passage


def test_a_claim_records_its_passes(world: World) -> None:
    world.add(*({"id": f"d{n}", "text": f"text {n}"} for n in range(5)))

    record = index_next(world.bench)

    assert record is not None
    assert record.documents == 5
    assert record.tokens > 0
    assert 0 <= record.padding_waste < 1
    assert record.closed_by == "drained"
