"""Every answer to "why is this waiting?", from facts to sentences."""

from collections.abc import Mapping
from dataclasses import replace

import pytest

from shared.domain import (
    Ahead,
    Condition,
    Estimate,
    Holder,
    Lane,
    Load,
    Newer,
    Place,
    Process,
    Queued,
    Reason,
    Speed,
    State,
    Whereabouts,
)
from shared.waiting.matter import Matter, Workforce
from shared.waiting.reasons import explain
from shared.words import about, counted, listed

NOW = 1_000_000.0
PRINT = "f" * 64
WHERE = Whereabouts(now=NOW, encoder="tiny", fingerprint=PRINT)
HOLDER = Holder(
    id=7,
    worker="host:1",
    load=Load(documents=12, characters=5000),
    claimed_at=NOW - 3,
    lease_until=NOW + 27,
    publishing=False,
)
QUEUED = Queued(
    first=Place(1, 10, 5),
    characters=100,
    documents=1,
    collection="c",
    source="api",
    producer="",
    ahead=(),
    more_ahead=False,
    held=0,
    held_until=0.0,
    delayed_by=None,
    suspects=0,
    crashes=0,
    group=0,
)
ABLE = Condition(schema="0003", encoders=(PRINT,))
WORKER = Process(name="host:1", kind="index", beat_at=NOW, condition=ABLE)
AT_WORK = Workforce(workers=(WORKER,), last_heard_at=NOW)
ESTIMATE = Estimate(
    seconds=4.2,
    load=Load(documents=4, characters=100),
    workers=1,
    speed=Speed(seconds=1, claims=1, load=Load(documents=1, characters=100), tokens=20),
)


def document(state: State = State.PENDING, **changes: object) -> Matter:
    return _matter({state: 1}, is_job=False, changes=changes)


def job(counts: Mapping[State, int], **changes: object) -> Matter:
    return _matter(counts, is_job=True, changes=changes)


def _matter(counts: Mapping[State, int], *, is_job: bool, changes: Mapping[str, object]) -> Matter:
    plain = Matter(
        is_job=is_job,
        counts=counts,
        error=None,
        version=None,
        whereabouts=WHERE,
        workforce=AT_WORK,
    )
    return replace(plain, **changes)  # type: ignore[arg-type]  # named by the test


def queued(**changes: object) -> Whereabouts:
    return replace(WHERE, queued=replace(QUEUED, **changes))  # type: ignore[arg-type]  # as above


def ahead(documents: int, lane: Lane = Lane.BULK, producer: str = "") -> Ahead:
    load = Load(documents=documents, characters=100 * documents)
    return Ahead(lane=lane, collection="c", source="api", producer=producer, load=load)


def told(reasons: tuple[Reason, ...]) -> dict[str, str]:
    return {one.code: one.sentence for one in reasons}


@pytest.mark.parametrize(
    ("matter", "code", "sentence"),
    [
        (document(State.INDEXED, version=12), "indexed", "It is indexed, in version 12."),
        (
            document(State.UNCHANGED, version=12),
            "unchanged",
            "It changed nothing: all is in version 12.",
        ),
        (
            document(State.FAILED, error="The text is empty."),
            "failed",
            "It failed: The text is empty.",
        ),
        (
            document(State.CANCELLED),
            "cancelled",
            "It was cancelled before a worker took it.",
        ),
        (
            document(State.WITHDRAWN),
            "withdrawn",
            "It was withdrawn when an older version was restored; send it again to have it back.",
        ),
        (document(State.SUPERSEDED), "superseded", "It gave way to a newer revision."),
        (
            document(
                State.SUPERSEDED,
                whereabouts=replace(WHERE, newer=(Newer(document="a", job="j2", version=3),)),
            ),
            "superseded",
            "It gave way to a newer revision: by job j2, in version 3.",
        ),
        (job({State.INDEXED: 1}, version=2), "indexed", "Its document is indexed, in version 2."),
        (
            job({State.INDEXED: 40}, version=2),
            "indexed",
            "All its 40 documents are indexed, by version 2.",
        ),
        (
            job(
                {State.SUPERSEDED: 2},
                whereabouts=replace(WHERE, newer=(Newer(document="a", job="j2", version=3),)),
            ),
            "superseded",
            "All its 2 documents gave way to a newer revision: a by job j2, in version 3.",
        ),
    ],
)
def test_what_is_settled_tells_how_it_ended(matter: Matter, code: str, sentence: str) -> None:
    assert told(explain(matter)) == {code: sentence}


def test_of_a_job_that_is_settled_what_went_wrong_comes_first() -> None:
    counts = {State.INDEXED: 37, State.CANCELLED: 1, State.FAILED: 2, State.PENDING: 0}

    reasons = explain(job(counts, version=5, error="a: The text is empty."))

    assert [one.code for one in reasons] == ["failed", "cancelled", "indexed"]
    assert reasons[0].sentence == ("2 of its 40 documents failed; the first: a: The text is empty.")
    assert reasons[1].sentence == ("1 of its 40 documents was cancelled before a worker took it.")
    assert reasons[2].details == {"documents": 37}


def test_when_all_is_well_the_answer_is_short() -> None:
    where = queued(ahead=(ahead(3),))

    (reason,) = explain(document(whereabouts=where, estimate=ESTIMATE))

    assert reason.sentence == "3 documents are before it; about 4 s."
    assert reason.code == "waiting"
    assert reason.details == {
        "lane": "bulk",
        "documents_waiting": 1,
        "documents_before": 3,
        "characters_before": 300,
        "more_before": False,
        "eta_seconds": 4.2,
    }


def test_the_first_in_the_queue_is_told_so_and_without_a_speed_no_time_is_named() -> None:
    (reason,) = explain(document(whereabouts=queued()))

    assert reason.sentence == "Nothing is before it."
    assert reason.details["eta_seconds"] is None


def test_what_is_before_is_told_apart_by_lane_and_producer() -> None:
    before = (
        ahead(100, Lane.INTERACTIVE),
        ahead(20, producer="other"),
        ahead(1),
    )
    (reason,) = explain(document(whereabouts=queued(ahead=before), estimate=ESTIMATE))

    assert reason.sentence == (
        "121 documents are before it (100 of the interactive lane, which goes first, 20 of other "
        "producers or collections and 1 of the same producer); about 4 s."
    )


def test_far_back_no_exact_number_is_named() -> None:
    where = queued(ahead=(ahead(10_001),), more_ahead=True)

    (reason,) = explain(document(whereabouts=where))

    assert reason.sentence == "More than 10,000 documents are before it."
    assert reason.details["more_before"] is True


def test_a_job_tells_where_it_begins_and_when_its_last_document_is_done() -> None:
    where = queued(documents=30, ahead=(ahead(1),))

    reasons = explain(
        job({State.PENDING: 30, State.INDEXED: 10}, whereabouts=where, estimate=ESTIMATE, version=3)
    )

    assert [one.sentence for one in reasons] == [
        "1 document is before the first of its documents; the last in about 4 s.",
        "10 of its 40 documents are indexed, by version 3.",
    ]


def test_what_a_worker_holds_is_told_with_the_worker_and_its_lease() -> None:
    (reason,) = explain(document(State.CLAIMED, whereabouts=replace(WHERE, holders=(HOLDER,))))

    assert reason.code == "encoding"
    assert reason.sentence == (
        "Worker host:1 has been encoding it for 3 s, in a claim of 12 documents; its lease lasts "
        "another 27 s and is renewed while it lives."
    )
    assert reason.details == {
        "worker": "host:1",
        "claim": 7,
        "documents": 12,
        "claimed_at": NOW - 3,
        "lease_until": NOW + 27,
    }


def test_publishing_and_a_lease_that_ran_out_are_told_as_such() -> None:
    publishing = replace(HOLDER, publishing=True)
    lost = replace(HOLDER, lease_until=NOW - 5, claimed_at=NOW - 200)

    reasons = explain(
        job({State.CLAIMED: 2}, whereabouts=replace(WHERE, holders=(publishing, lost)))
    )

    assert told(reasons) == {
        "publishing": (
            "Worker host:1 has encoded documents of it, in a claim of 12 documents, and is "
            "publishing."
        ),
        "lease-expired": (
            "Worker host:1 took documents of it 3 min ago, but its lease ran out 5 s ago; all of "
            "its claim goes back into the queue within seconds."
        ),
    }


def test_a_delay_after_a_fault_tells_until_when_and_what_the_fault_was() -> None:
    where = queued(held=1, held_until=NOW + 8, delayed_by="The disk is away.")

    reasons = explain(document(whereabouts=where))

    assert [one.code for one in reasons] == ["delayed", "waiting"]
    assert reasons[0].sentence == (
        "It will be tried again in 8 s. It was given back: The disk is away."
    )


def test_a_hold_for_an_import_is_no_fault() -> None:
    reasons = explain(document(whereabouts=queued(held=1, held_until=NOW + 40)))

    assert reasons[0].sentence == (
        "It will be left to the import that brings the vectors for another 40 s."
    )


@pytest.mark.parametrize(
    ("crashes", "group", "words"),
    [
        (1, 4, "may be what ended a worker (once so far), so next it is tried with at most 3"),
        (3, 1, "may be what ended a worker (3 times so far), so next it is tried alone"),
    ],
)
def test_a_suspect_is_told_how_often_and_with_how_many_it_is_tried(
    crashes: int, group: int, words: str
) -> None:
    where = queued(suspects=1, crashes=crashes, group=group)

    reasons = explain(document(whereabouts=where))

    assert [one.code for one in reasons] == ["suspect", "waiting"]
    assert f"It {words}" in reasons[0].sentence


def test_no_worker_is_the_first_thing_told_and_no_time_is_promised() -> None:
    heard = Workforce(last_heard_at=NOW - 200)

    reasons = explain(document(whereabouts=queued(), workforce=heard, estimate=ESTIMATE))
    never = explain(document(whereabouts=queued(), workforce=Workforce()))

    assert [one.sentence for one in reasons] == [
        "No index worker is alive; the last one was heard of 3 min ago.",
        "Nothing is before it.",
    ]
    assert told(never)["no-worker"] == ("No index worker is alive, and none was in the last week.")


def test_workers_without_the_encoder_are_told_with_the_remedy() -> None:
    other = replace(WORKER, condition=replace(ABLE, encoders=("other",)))

    reasons = explain(document(whereabouts=queued(), workforce=replace(AT_WORK, workers=(other,))))

    assert reasons[0].code == "no-encoder"
    assert "`lamina models pull tiny`" in reasons[0].sentence
    assert reasons[0].details == {"encoder": "tiny", "fingerprint": PRINT}


def test_a_worker_of_earlier_code_may_have_any_encoder() -> None:
    silent = replace(WORKER, condition=Condition())

    reasons = explain(document(whereabouts=queued(), workforce=replace(AT_WORK, workers=(silent,))))

    assert [one.code for one in reasons] == ["waiting"]


def test_trouble_is_told_only_when_every_worker_that_could_has_it() -> None:
    trouble = replace(ABLE, trouble="The disk is away.", trouble_seconds=12.0)
    ill = replace(WORKER, name="host:2", condition=trouble)

    one_is_well = explain(
        document(whereabouts=queued(), workforce=replace(AT_WORK, workers=(WORKER, ill)))
    )
    none_is = explain(document(whereabouts=queued(), workforce=replace(AT_WORK, workers=(ill,))))

    assert [one.code for one in one_is_well] == ["waiting"]
    assert told(none_is)["worker-trouble"] == (
        "Worker host:2 could not work for 12 s: The disk is away."
    )


def test_a_full_disk_is_told() -> None:
    full = replace(AT_WORK, no_room="0.1 GB are free.")

    reasons = explain(document(whereabouts=queued(), workforce=full, estimate=ESTIMATE))

    assert told(reasons)["disk-full"].endswith("0.1 GB are free.")
    assert "about" not in told(reasons)["waiting"]


def test_a_cancelled_job_that_a_worker_still_holds_says_both() -> None:
    reasons = explain(
        job(
            {State.CLAIMED: 1, State.CANCELLED: 9},
            cancelled=True,
            whereabouts=replace(WHERE, holders=(HOLDER,)),
        )
    )

    assert [one.code for one in reasons] == ["job-cancelled", "encoding", "cancelled"]
    assert "runs to its end" in reasons[0].sentence


def test_every_finished_state_has_an_ending() -> None:
    for state in State:
        if state.finished:
            (reason,) = explain(document(state, error="x"))
            assert reason.code == state.value


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (-3, "1 s"),
        (0.2, "1 s"),
        (89, "89 s"),
        (150, "2 min"),
        (5000, "83 min"),
        (7200, "2 h"),
        (86_400 * 3, "3 days"),
    ],
)
def test_times_are_told_as_one_says_them(seconds: float, words: str) -> None:
    assert about(seconds) == words


def test_numbers_and_lists_are_told_as_one_says_them() -> None:
    assert counted(1, "document") == "1 document"
    assert counted(2000, "document") == "2,000 documents"
    assert listed(["a"]) == "a"
    assert listed(["a", "b", "c"]) == "a, b and c"
