"""Why is this waiting? Gathers what is known of a job, a document or a message."""

from collections.abc import Iterator
from dataclasses import dataclass

from shared.domain import Process, Reason, ReceiptEntry
from shared.errors import BrokerUnavailable, OutOfSpace
from shared.ports import Inbox, Messages, Records, Roster, Waiting
from shared.upkeep.room import Room
from shared.waiting.forecast import ALIVE_SECONDS, Forecast
from shared.waiting.matter import Matter, Workforce
from shared.waiting.reasons import explain
from shared.words import about, counted

_REBUILD = "rebuild"
"""Source of the jobs that stand for rebuilds."""
_REMEMBERED_SECONDS = 7 * 86400.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Enquiry:
    """Who is asked."""

    records: Records
    waiting: Waiting
    forecast: Forecast
    roster: Roster
    inbox: Inbox
    room: Room
    messages: Messages


def why_job(enquiry: Enquiry, job_id: str) -> tuple[Reason, ...]:
    """Tell why a job is not done, or how it ended.

    Raises:
        JobNotFound: there is none.
    """
    report = enquiry.records.job(job_id, issues=1)
    error = report.errors[0] if report.errors else None
    matter = Matter(
        is_job=True,
        counts=report.counts,
        error=f"{error.document}: {error.message}" if error else None,
        version=report.version,
        rebuild=report.source == _REBUILD,
        cancelled=report.cancelled_at is not None,
        growing=report.growing,
        files=report.files,
        whereabouts=enquiry.waiting.whereabouts(job_id),
        workforce=_workforce(enquiry),
        estimate=enquiry.forecast.estimates([job_id]).get(job_id),
    )
    return explain(matter)


def why_document(enquiry: Enquiry, collection: str, document_id: str) -> tuple[Reason, ...]:
    """Tell why the newest revision of a document is not in the index, or how it ended.

    Raises:
        CollectionNotFound, DocumentNotFound: there is none.
    """
    report = enquiry.records.document(collection, document_id)
    where = enquiry.waiting.whereabouts(report.job_id, revision_id=report.revision_id)
    matter = Matter(
        is_job=False,
        counts={report.state: 1},
        error=report.error,
        version=report.version,
        whereabouts=where,
        workforce=_workforce(enquiry),
        estimate=enquiry.forecast.estimate(where.place) if where.place else None,
    )
    return explain(matter)


def why_key(enquiry: Enquiry, key: str) -> tuple[Reason, ...]:
    """Tell what became of the newest message or request with this key, and why it waits."""
    entries = enquiry.inbox.receipts(key)
    if not entries:
        return tuple(_not_seen(enquiry, key))
    newest = entries[0]
    if newest.job_id is None:
        return (_rejected(newest),)
    return why_job(enquiry, newest.job_id)


def _rejected(entry: ReceiptEntry) -> Reason:
    return Reason(
        code="rejected",
        sentence=f"It was not accepted: {entry.detail}",
        details={"reason": entry.reason, "source": entry.source},
    )


def _not_seen(enquiry: Enquiry, key: str) -> Iterator[Reason]:
    yield Reason(
        code="not-seen",
        sentence=f"Nothing with the key {key!r} was accepted or refused yet.",
        details={"key": key},
    )
    intakes = [
        one
        for one in enquiry.roster.processes(within_seconds=ALIVE_SECONDS)
        if one.kind == "intake"
    ]
    if not intakes:
        yield Reason(
            code="no-intake", sentence="No intake is alive, so no message is taken off the queue."
        )
    for one in intakes:
        if one.condition.trouble:
            yield _intake_trouble(one, enquiry.roster.now())
    yield _messages(enquiry.messages)


def _intake_trouble(intake: Process, now: float) -> Reason:
    since = intake.troubled_since
    lasted = "" if since is None else f" for {about(now - since)}"
    return Reason(
        code="intake-trouble",
        sentence=f"Intake {intake.name} took nothing{lasted}: {intake.condition.trouble}",
        details={"intake": intake.name, "trouble": intake.condition.trouble, "since": since},
    )


def _messages(messages: Messages) -> Reason:
    try:
        count = messages.waiting()
    except BrokerUnavailable as error:
        return Reason(code="broker-away", sentence=f"The queue cannot be looked at: {error}")
    if not count:
        return Reason(
            code="queue-empty",
            sentence="No message waits in the queue: send it again, with the same key.",
            details={"messages": 0},
        )
    return Reason(
        code="messages-waiting",
        sentence=f"{counted(count, 'message')} in the queue were not taken yet.",
        details={"messages": count},
    )


def _workforce(enquiry: Enquiry) -> Workforce:
    now = enquiry.roster.now()
    heard = enquiry.roster.processes(within_seconds=_REMEMBERED_SECONDS)
    workers = [one for one in heard if one.kind == "index"]
    parsers = [one for one in heard if one.kind == "parser"]
    return Workforce(
        workers=tuple(one for one in workers if now - one.beat_at <= ALIVE_SECONDS),
        last_heard_at=max((one.beat_at for one in workers), default=None),
        parsers=sum(now - one.beat_at <= ALIVE_SECONDS for one in parsers),
        no_room=_no_room(enquiry.room),
    )


def _no_room(room: Room) -> str | None:
    try:
        room.check()
    except OutOfSpace as error:
        return error.detail
    return None
