"""What every catalog promises of shares: in a lane, flows are served alike, and in their order."""

import random
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from itertools import accumulate

import pytest
from sqlalchemy import delete, func, insert, select, update

from shared.catalog.queue import claiming, flows
from shared.catalog.queue.flows import cost_of
from shared.catalog.tables import ClaimRow, FlowRow, RevisionRow
from shared.domain import DOCUMENT_COST, Collection, Lane, NewDocument, Rejection, State, Submission
from tests.contract.catalogs import Catalog, gone, put, puts, submission


@pytest.fixture(autouse=True)
def collection(catalog: Catalog) -> Collection:
    return catalog.collection()


def sized(name: str, characters: int) -> NewDocument:
    return NewDocument(id=name, text="x" * characters)


def of(
    producer: str,
    *documents: NewDocument,
    lane: Lane = Lane.BULK,
    source: str = "queue",
    collection: str = "c",
) -> Submission:
    sent = submission(*documents, lane=lane, collection=collection)
    return replace(sent, producer=producer, source=source)


def take(catalog: Catalog, count: int) -> list[str]:
    """Claim so many documents with one worker and publish them; return their names."""
    claim = catalog.claim(max_documents=count)
    if claim is None:
        return []
    catalog.publish(claim)
    return [one.external_id for one in claim.revisions]


def drain(catalog: Catalog) -> Iterator[str]:
    """Yield what waits, in its turn."""
    while claim := catalog.claim(max_documents=1):
        yield claim.revisions[0].external_id


def turns(catalog: Catalog) -> dict[str, int]:
    with catalog.database.read() as tx:
        found = tx.exec_driver_sql(
            "SELECT d.external_id, r.turn FROM revisions r "
            "JOIN documents d ON d.id = r.document_id ORDER BY r.id"
        ).all()
    return dict(tuple(row) for row in found)


@pytest.mark.parametrize("backlog", [3, 400])
@pytest.mark.parametrize("served", [0, 2])
def test_what_another_producer_sends_is_in_the_very_next_claim_however_many_wait(
    catalog: Catalog, backlog: int, served: int
) -> None:
    for start in range(0, backlog, 100):
        catalog.send(of("bulk", *puts(min(100, backlog - start), f"b{start}-")))
    if served:
        take(catalog, served)

    catalog.send(of("other", put("new")))

    assert "new" in take(catalog, 2), (
        f"[fair] one document waited for {backlog} of another producer"
    )


@pytest.mark.parametrize(
    "other",
    [
        of("", put("new"), source="form"),
        of("bulk", put("new"), source="other queue"),
        of("bulk", put("new"), collection="other"),
    ],
    ids=["form", "source", "collection"],
)
def test_a_form_another_source_or_another_collection_waits_for_nobody_else(
    catalog: Catalog, other: Submission
) -> None:
    catalog.collection("other")
    catalog.send(of("bulk", *puts(50)))
    catalog.claim("host:9", max_documents=1)

    catalog.send(other)

    claim = catalog.must_claim(max_documents=1)
    assert [one.external_id for one in claim.revisions] == ["new"]


def test_one_producer_alone_gets_everything_in_the_order_of_acceptance(catalog: Catalog) -> None:
    sizes = [5, 900, 1, 20_000, 0, 300]
    names = []
    for number, size in enumerate(sizes * 5):
        catalog.send(of("only", sized(f"d{number}", size), sized(f"e{number}", 10)))
        names += [f"d{number}", f"e{number}"]

    claim = catalog.must_claim()

    assert [one.external_id for one in claim.revisions] == names
    assert (claim.closed_by, claim.more) == ("drained", False)


def test_a_claim_of_many_pages_follows_turns_through_all_of_them(catalog: Catalog) -> None:
    """Turns and ids disagree as much as they can: small ones and large ones in alternation."""
    catalog.send(of("large", *(sized(f"l{number}", 2000) for number in range(100))))
    catalog.send(of("small", *(sized(f"s{number}", 20) for number in range(100))))

    held = [set(take(catalog, 75)) for _ in range(3)]

    assert [len(one) for one in held] == [75, 75, 50]
    assert {f"s{number}" for number in range(60)} <= held[0]
    assert held[0] | held[1] | held[2] == turns(catalog).keys()
    order = turns(catalog)
    for before, after in ((held[0], held[1]), (held[1], held[2])):
        assert max(order[name] for name in before) <= min(order[name] for name in after)


@pytest.mark.parametrize("seed", range(2))
def test_producers_with_equal_backlogs_get_equal_shares_in_any_window(
    catalog: Catalog, seed: int
) -> None:
    """The bound of start-time fair queueing: one largest document of each (theorem 1)."""
    dice = random.Random(seed)
    largest = 3000
    sizes = {
        f"{producer}{number}": dice.choice([0, 7, 80, 900, largest])
        for producer in "abc"
        for number in range(60)
    }
    for start in range(0, 60, 20):
        for producer in dice.sample("abc", 3):
            names = [f"{producer}{number}" for number in range(start, start + 20)]
            catalog.send(of(producer, *(sized(name, sizes[name]) for name in names)))

    order = list(drain(catalog))

    last = {
        producer: max(i for i, name in enumerate(order) if name[0] == producer)
        for producer in "abc"
    }
    contended = order[: min(last.values()) + 1]
    served = {
        producer: [0, *accumulate(cost_of(sizes[n]) if n[0] == producer else 0 for n in contended)]
        for producer in "abc"
    }
    for one, other in ("ab", "bc", "ac"):
        ahead = [x - y for x, y in zip(served[one], served[other], strict=True)]
        # The widest window is that between the extremes of the difference.
        assert max(ahead) - min(ahead) <= 2 * cost_of(largest), f"[fair] {one} and {other}"
    for producer in "abc":
        assert [n for n in order if n[0] == producer] == [f"{producer}{n}" for n in range(60)]


@dataclass
class Model:
    """Start-time fair queueing, written down once more and as plainly as possible."""

    pending: list[tuple[int, int, str]] = field(default_factory=list)
    finish: dict[str, int] = field(default_factory=dict)
    virtual: int = 0
    sent: int = 0

    def send(self, producer: str, documents: Sequence[tuple[str, int]]) -> None:
        start = max(self.virtual, self.finish.get(producer, 0))
        for name, characters in documents:
            self.sent += 1
            self.pending.append((start, self.sent, name))
            start += characters + DOCUMENT_COST
        self.finish[producer] = start

    def take(self, count: int) -> list[str]:
        self.pending.sort()
        taken, self.pending = self.pending[:count], self.pending[count:]
        self.virtual = max([self.virtual, *(turn for turn, _, _ in taken)])
        if not self.pending:
            self.virtual = max([self.virtual, *self.finish.values()])
        return [name for _, name in sorted((number, name) for _, number, name in taken)]


@pytest.mark.parametrize("seed", range(2))
def test_whatever_comes_and_goes_documents_are_served_as_in_a_plain_model(
    catalog: Catalog, seed: int
) -> None:
    dice = random.Random(seed)
    model = Model()
    number = 0
    for _ in range(60):
        if dice.random() < 0.5:
            producer = dice.choice("abcd")
            documents = []
            for _ in range(dice.randint(1, 6)):
                number += 1
                documents.append((f"d{number}", dice.choice([0, 30, 500, 4000])))
            model.send(producer, documents)
            catalog.send(of(producer, *(sized(*one) for one in documents)))
        else:
            count = dice.randint(1, 8)
            assert take(catalog, count) == model.take(count), "[fair] not in the model's order"
    assert take(catalog, 1000) == model.take(1000)


def test_a_steady_stream_of_urgent_documents_leaves_a_turn_for_others(catalog: Catalog) -> None:
    catalog.send(submission(put("rebuild"), lane=Lane.REBUILD))
    catalog.send(submission(*puts(2), lane=Lane.BULK))

    def urgent(number: int) -> None:
        catalog.send(submission(put(f"u{number}"), lane=Lane.INTERACTIVE))

    order = []
    for number in range(30):
        urgent(number)
        order += take(catalog, 1)

    assert [name for name in order if name[0] != "u"] == ["d0", "d1", "rebuild"], order
    assert [place for place, name in enumerate(order) if name[0] != "u"] == [8, 17, 26], "[turn]"


def test_between_two_passes_only_urgent_documents_are_taken(catalog: Catalog) -> None:
    catalog.send(submission(*puts(1), lane=Lane.BULK))
    catalog.send(submission(*(put(f"u{number}") for number in range(9)), lane=Lane.INTERACTIVE))

    for _ in range(9):
        claim = catalog.claim(max_documents=1, max_lane=Lane.INTERACTIVE)
        assert claim is not None
        catalog.publish(claim)

    assert catalog.claim(max_documents=1, max_lane=Lane.INTERACTIVE) is None


def test_a_producer_that_was_idle_gets_no_credit(catalog: Catalog) -> None:
    catalog.send(of("idle", sized("first", 100)))
    catalog.send(of("busy", *(sized(f"b{number}", 100) for number in range(60))))
    take(catalog, 41)

    catalog.send(of("idle", *(sized(f"i{number}", 100) for number in range(20))))

    order = "".join(name[0] for name in drain(catalog))
    assert order[:38].count("i") in (19, 20), order
    assert "iii" not in order[:38], f"[fair] the idle one is served for its past: {order}"


def test_nobody_is_punished_for_having_used_an_idle_system(catalog: Catalog) -> None:
    catalog.send(of("past", *(sized(f"p{number}", 5000) for number in range(20))))
    assert len(take(catalog, 100)) == 20
    catalog.send(of("past", *(sized(f"a{number}", 100) for number in range(10))))
    catalog.send(of("new", *(sized(f"b{number}", 100) for number in range(10))))

    order = "".join(name[0] for name in drain(catalog))

    assert order == "ab" * 10


def test_what_nobody_can_claim_keeps_no_virtual_time_back(catalog: Catalog) -> None:
    """Else each new producer would come before all that others have been waiting with."""
    catalog.collection("blocked", "g" * 64)
    catalog.send(of("blocked", put("blocked"), collection="blocked"))
    held = of("held", put("held"), source="import")
    catalog.inbox.accept(held, hold_seconds=3600)
    catalog.send(of("old", *(sized(f"a{number}", 100) for number in range(40))))
    take(catalog, 20)

    catalog.send(of("new", *(sized(f"b{number}", 100) for number in range(20))))

    order = "".join(name[0] for name in drain(catalog))
    assert order[:38].count("b") in (19, 20), f"[fair] the new one had saved up turns: {order}"


def test_what_is_unchanged_outdated_or_held_costs_nothing(catalog: Catalog) -> None:
    catalog.send(of("a", put("live", version=5)))
    catalog.index_all()
    before = finish(catalog)

    catalog.send(of("a", put("live", version=7)))
    catalog.send(of("a", put("live", "late", version=6)))
    catalog.inbox.accept(of("a", *puts(5)), hold_seconds=3600)
    catalog.send(replace(of("a", gone("never")), missing_ok=True))

    assert finish(catalog) == before
    catalog.send(of("a", gone("live")))
    assert finish(catalog)["a"] == before["a"] + DOCUMENT_COST, "a delete is work as well"


def finish(catalog: Catalog) -> dict[str, int]:
    with catalog.database.read() as tx:
        found = tx.execute(select(FlowRow.producer, FlowRow.finish)).all()
    return {row.producer: row.finish for row in found}


def test_messages_taken_together_get_turns_by_producer(catalog: Catalog) -> None:
    letters = [of("a", sized(f"a{number}", 100)) for number in range(10)]
    letters += [of("b", sized(f"b{number}", 100)) for number in range(10)]
    letters.insert(5, of("c", gone("never was")))

    taken = catalog.inbox.take(letters)

    assert [isinstance(one, Rejection) for one in taken].count(True) == 1
    assert list(drain(catalog)) == [f"{p}{number}" for number in range(10) for p in "ab"]


def test_lanes_are_strict_whatever_the_turns(catalog: Catalog) -> None:
    catalog.send(of("a", *puts(30, "urgent"), lane=Lane.INTERACTIVE))
    take(catalog, 20)
    catalog.send(of("b", put("bulk")))
    catalog.send(of("b", put("rebuild"), lane=Lane.REBUILD))

    assert {name[0] for name in take(catalog, 30)} == {"u"}
    assert list(drain(catalog)) == ["bulk", "rebuild"]


@pytest.mark.parametrize("lane", [Lane.BULK, Lane.INTERACTIVE])
def test_a_form_that_overtakes_an_older_revision_of_its_document_stays(
    catalog: Catalog, collection: Collection, lane: Lane
) -> None:
    bulk = catalog.send(of("bulk", *puts(20), put("same", "older")))
    take(catalog, 2)

    form = catalog.send(of("", put("same", "newer"), source="form", lane=lane))

    assert "same" in take(catalog, 1)
    assert catalog.texts(collection, catalog.head(collection).version)["same"] == "newer"
    catalog.index_all()
    assert catalog.texts(collection, catalog.head(collection).version)["same"] == "newer"
    assert catalog.states(form.job_id) == {State.INDEXED: 1}
    assert catalog.states(bulk.job_id) == {State.INDEXED: 20, State.SUPERSEDED: 1}


def test_revisions_of_one_document_in_one_claim_are_in_the_order_of_acceptance(
    catalog: Catalog, collection: Collection
) -> None:
    """Of one document the last of a claim counts, and its turn may be before the first's."""
    catalog.send(of("bulk", *puts(20), put("same", "older")))
    catalog.send(of("", put("same", "newer"), source="form"))

    claim = catalog.must_claim()

    assert [one.id for one in claim.revisions] == sorted(one.id for one in claim.revisions)
    assert [one.text for one in claim.revisions if one.external_id == "same"] == ["older", "newer"]
    catalog.publish(claim)
    assert catalog.texts(collection, 1)["same"] == "newer"


def test_what_is_given_back_keeps_its_turn(catalog: Catalog) -> None:
    catalog.send(of("a", *puts(10)))
    claim = catalog.must_claim(max_documents=3)
    catalog.send(of("b", put("new")))
    catalog.claims.release(claim.id, delay_seconds=0, reason="x")

    assert take(catalog, 3) == ["d0", "d1", "d2"]


def at_once(catalog: Catalog, batches: Sequence[Sequence[Submission]]) -> None:
    """Take every batch in a thread of its own, all released by one barrier."""
    barrier = threading.Barrier(len(batches))

    def run(batch: Sequence[Submission]) -> None:
        barrier.wait(timeout=30)
        catalog.inbox.take(batch)

    with ThreadPoolExecutor(len(batches)) as pool:
        list(pool.map(run, batches))


def test_producers_of_several_intakes_never_block_each_other_and_pay_for_all(
    catalog: Catalog,
) -> None:
    """In each batch the producers come in another order; no turn is given twice."""
    producers = [f"p{number}" for number in range(6)]
    for round_ in range(4):
        batches = []
        for batch in range(4):
            turned = producers[batch:] + producers[:batch]
            batches.append([of(p, sized(f"{p}-{round_}-{batch}", 50)) for p in turned])
        at_once(catalog, batches)

    given = turns(catalog)
    for producer in producers:
        mine = sorted(turn for name, turn in given.items() if name.startswith(f"{producer}-"))
        assert mine == [mine[0] + cost_of(50) * step for step in range(16)], "[fair] turns overlap"
    assert finish(catalog) == {p: max(given.values()) + cost_of(50) for p in producers}


def test_submissions_of_one_producer_at_once_get_turns_of_their_own(catalog: Catalog) -> None:
    at_once(
        catalog,
        [[of("a", *(sized(f"{n}-{m}", 50) for m in range(5)))] for n in range(8)],
    )

    given = sorted(turns(catalog).values())

    assert given == [cost_of(50) * step for step in range(40)], "[fair] turns overlap"


def test_producers_that_a_new_one_would_overtake_are_forgotten(
    catalog: Catalog, collection: Collection
) -> None:
    catalog.collection("other")
    catalog.send(of("gone", sized("a", 10)))
    catalog.send(of("elsewhere", sized("a", 10), collection="other"))
    catalog.index_all()
    catalog.send(of("busy", *(sized(f"b{number}", 1000) for number in range(5))))
    take(catalog, 3)

    catalog.versions.forget(collection.id, limit=100)

    assert finish(catalog).keys() == {"busy", "elsewhere"}
    before = finish(catalog)["busy"]
    catalog.send(of("gone", sized("c", 10)))
    assert take(catalog, 1) == ["c"]
    assert finish(catalog)["busy"] == before


def test_after_everybody_is_forgotten_turns_go_on_from_where_they_were(
    catalog: Catalog, collection: Collection
) -> None:
    catalog.send(of("a", *puts(3)))
    catalog.index_all()
    with catalog.database.write() as tx:
        tx.execute(delete(FlowRow))
        highest = tx.scalar(select(func.max(ClaimRow.turn)))
    assert highest

    catalog.send(of("b", put("new")))

    assert turns(catalog)["new"] >= highest


def plan(catalog: Catalog, query: str) -> str:
    with catalog.database.read() as tx:
        if catalog.database.sqlite:
            rows = tx.exec_driver_sql(f"EXPLAIN QUERY PLAN {query}").all()
            return " ".join(str(row[3]) for row in rows)
        tx.exec_driver_sql("SET LOCAL enable_sort = off")  # as a claim does
        return " ".join(str(row[0]) for row in tx.exec_driver_sql(f"EXPLAIN {query}"))


def test_choosing_what_is_next_and_the_virtual_time_are_looked_up_in_order(
    catalog: Catalog, collection: Collection
) -> None:
    """Never by reading or sorting a backlog, even one that came at once and no statistics know."""
    for start in range(10):
        catalog.send(of("a", *puts(500, f"d{start}-")))
        catalog.send(of("b", *puts(100, f"e{start}-"), lane=Lane.INTERACTIVE))
    with catalog.database.write() as tx:
        claims = [claim_row(number) for number in range(3000)]
        tx.execute(insert(ClaimRow), claims)
    if not catalog.database.sqlite:
        with catalog.database.glance() as tx:
            tx.exec_driver_sql("ANALYZE claims")
    wanted = {"collections": [collection.id], "now": 1e12, "lane": 1, "turn": 9000, "after": 70}
    wanted |= {"max_lane": 2, "low": 0, "high": 2, "its_lane": 1}
    statements = {
        "first": claiming._FIRST,
        "next": claiming._NEXT,
        "innocent": claiming._INNOCENT,
        "virtual time": select(flows._VIRTUAL),
    }
    with catalog.database.read() as tx:
        queries = {
            name: str(one.params(wanted).compile(tx, compile_kwargs={"literal_binds": True}))
            for name, one in statements.items()
        }

    plans = {name: plan(catalog, query) for name, query in queries.items()}
    assert "ix_claims_lane_turn" in plans.pop("virtual time")
    for name, found in plans.items():
        assert "ix_revisions_queue" in found, f"{name}: {found}"
        assert "TEMP B-TREE" not in found, f"{name}: {found}"
        assert "Sort" not in found, f"{name}: {found}"
    if catalog.database.sqlite:
        assert "(lane=? AND turn>?)" in plans["next"]
    else:
        assert "ROW(turn, id) >" in plans["next"]


def claim_row(number: int) -> dict[str, object]:
    return {
        "worker": "host:1",
        "fingerprint": "f",
        "lane": 1,
        "state": "closed",
        "documents": 1,
        "turn": number,
        "closed_by": "drained",
        "claimed_at": 0.0,
        "lease_until": 0.0,
    }


def test_rows_of_the_code_before_come_first(catalog: Catalog) -> None:
    catalog.send(of("a", *puts(3)))
    with catalog.database.write() as tx:
        tx.execute(update(RevisionRow).values(turn=0))
    catalog.send(of("b", put("new")))
    assert next(drain(catalog)) == "d0"
