"""What every catalog promises of events: none lost, none false, none out of order."""

from concurrent.futures import ThreadPoolExecutor
from itertools import chain

from shared.catalog import SqlDeliveries, SqlEvents, SqlWebhooks
from shared.domain import (
    EventKind,
    NewWebhook,
    Parcel,
    Sent,
)
from tests.contract.catalogs import Catalog, put, puts

FROM_THE_FIRST = (0.0, "")


def told(events: SqlEvents, after: int = 0) -> list[tuple[EventKind, str | None]]:
    return [(one.kind, one.job_id) for one in events.after(after, limit=1000)]


def test_a_job_is_told_finished_once_however_it_ends(catalog: Catalog) -> None:
    events = SqlEvents(catalog.database)
    catalog.collection()
    assert events.span() == (0, 0)

    first = catalog.submit(*puts(3)).job_id
    catalog.publish(catalog.must_claim(max_documents=2))
    assert told(events) == [(EventKind.VERSION_PUBLISHED, None)]
    assert events.note(after=FROM_THE_FIRST, limit=10) == (0, None)
    catalog.index_all()
    assert told(events, 1) == [
        (EventKind.VERSION_PUBLISHED, None),
        (EventKind.JOB_FINISHED, first),
    ]

    # Known already, cancelled: nothing is committed for them.
    same = catalog.submit(*puts(3)).job_id
    cancelled = catalog.submit(put("new")).job_id
    catalog.claims.cancel(cancelled)
    waiting = catalog.submit(put("waits")).job_id
    done, place = events.note(after=FROM_THE_FIRST, limit=2)
    assert (done, place is not None) == (2, True)
    assert place is not None
    assert events.note(after=place, limit=2) == (0, None)
    finished = [(EventKind.JOB_FINISHED, one) for one in (same, cancelled)]
    assert told(events, 3) == finished

    # Given up, replayed, and done at last.
    catalog.must_claim()
    catalog.die(max_crashes=1)
    assert told(events, 5) == [
        (EventKind.DOCUMENT_FAILED, waiting),
        (EventKind.JOB_FINISHED, waiting),
    ]
    (failed,) = events.after(5, limit=1)
    assert failed.content["document"] == "waits"
    assert "died" in str(failed.content["error"])
    with catalog.database.read() as tx:
        query = "SELECT id FROM revisions WHERE state = 'failed'"
        number = tx.exec_driver_sql(query).scalar_one()
    catalog.dead_letters.revive([number])
    catalog.index_all()
    assert told(events, 7) == [
        (EventKind.VERSION_PUBLISHED, None),
        (EventKind.JOB_FINISHED, waiting),
    ]
    assert events.after(0, job_id=waiting, collections={"nowhere"}, limit=10) == []
    assert events.note(after=FROM_THE_FIRST, limit=10) == (0, None)


def test_ids_rise_without_a_gap_while_many_tell_at_once(catalog: Catalog) -> None:
    events = SqlEvents(catalog.database)
    names = [f"c{number}" for number in range(4)]
    for name in names:
        catalog.collection(name)
        for document in puts(6):
            catalog.submit(document, collection=name)
    seen: list[int] = []

    def work(number: int) -> None:
        while claim := catalog.claim(f"host:{number}", max_documents=1):
            catalog.publish(claim, f"host:{number}")

    def watch() -> None:
        # As a stream does: what is behind it, it never looks at again.
        place = 0
        while len(seen) < 48:
            for one in events.after(place, limit=3):
                seen.append(one.id)
                place = one.id

    with ThreadPoolExecutor(5) as pool:
        watching = pool.submit(watch)
        for done in [pool.submit(work, number) for number in range(4)]:
            done.result(timeout=60)
        while events.note(after=FROM_THE_FIRST, limit=100)[0]:
            pass
        watching.result(timeout=60)

    assert seen == list(range(1, 49))
    assert events.span() == (0, 48)


def test_each_event_becomes_one_delivery_though_several_make_and_take_them(
    catalog: Catalog,
) -> None:
    events, deliveries = SqlEvents(catalog.database), SqlDeliveries(catalog.database)
    webhooks = SqlWebhooks(catalog.database)
    catalog.collection()
    new = NewWebhook(url="https://e.example", kinds=frozenset(EventKind), secret="whsec_x")
    hooks = [webhooks.add("c", new, most=2) for _ in range(2)]
    for document in puts(5):
        catalog.index(document)
    with catalog.database.write() as tx:
        tx.exec_driver_sql("UPDATE events SET at = at - 200")
    assert events.expire(older_than_seconds=100, limit=100) == 0, "webhooks wait for them"

    made, taken = 0, list[Parcel]()
    with ThreadPoolExecutor(4) as pool:
        # Who comes while others hold them takes none; so again, as upkeep does.
        while sum(rounds := list(pool.map(lambda _: deliveries.make(limit=3), range(4)))):
            made += sum(rounds)
        while page := list(
            chain(*pool.map(lambda _: deliveries.take(limit=2, lease_seconds=60), range(4)))
        ):
            taken += page

    assert made == len(taken) == 20
    assert len({one.delivery.id for one in taken}) == 20
    assert {(one.delivery.webhook_id, one.delivery.event_id) for one in taken} == {
        (hook.id, number) for hook in hooks for number in range(1, 11)
    }
    settled = {"pause_seconds": 60.0, "give_up_seconds": 1000.0}
    deliveries.settle(taken[0], Sent(status=200, error=None), **settled)
    deliveries.settle(taken[0], Sent(status=None, error="late"), **settled)  # counts no more
    deliveries.settle(taken[1], Sent(status=500, error="It answered 500."), **settled)
    for one, state in ((taken[0], "delivered"), (taken[1], "pending")):
        log = deliveries.log(one.delivery.webhook_id, limit=100)
        (found,) = [each for each in log if each.id == one.delivery.id]
        assert (found.state, found.attempts) == (state, 1)
    assert events.expire(older_than_seconds=100, limit=100) == 10
    assert events.span() == (10, 10)
