"""`/events`: what happens, as it happens (Server-Sent Events) or as a list."""

import time
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from http import HTTPStatus

from flask import Response

from shared.domain import Event, EventKind, Scope
from shared.errors import CatalogUnavailable
from shared.ports import Events
from web.access import caller, require
from web.api.models.events import (
    EventList,
    EventShape,
    EventsHeader,
    EventsQuery,
    JobEventsQuery,
)
from web.api.models.jobs import JobPath
from web.api.routing import answer, make_blueprint, problem_responses
from web.context import services
from web.streams import BEGINNING, stream

blueprint = make_blueprint("events", "What happens, as it happens.")

_PAGE = 200
_HEARTBEAT_SECONDS = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class _Watch:
    """Which events are asked for."""

    events: Events
    collections: Collection[str] | None
    job_id: str | None

    def after(self, place: int) -> tuple[list[Event], int]:
        """Return the next events and how far that was looked, past those of others too."""
        # Read first: what is below it is committed, so nothing can appear there later.
        _, newest = self.events.span()
        if newest <= place:
            return [], place
        found = list(
            self.events.after(place, collections=self.collections, job_id=self.job_id, limit=_PAGE)
        )
        if len(found) == _PAGE:
            return found, found[-1].id
        return found, max([newest, *(one.id for one in found)])


@blueprint.get("/events", responses={200: EventList, **problem_responses(404)})
def get_events(query: EventsQuery, header: EventsHeader) -> Response:
    """Watch what happens: finished jobs, documents that failed, versions.

    Server-Sent Events. A stream ends after half a minute; `Last-Event-ID` takes it up again without
    a gap. An event called `gap` says that some were forgotten meanwhile. While too many streams are
    open it answers 503: ask with `stream=false` every few seconds instead.
    """
    bound = caller().collections
    if query.collection is not None:
        bound = frozenset(
            {services().collections.get(require(Scope.SEARCH, query.collection)).name}
        )
    watch = _Watch(events=services().events, collections=bound, job_id=None)
    place = _place(query.after, header)
    if place is None:
        place = services().events.span()[1]
    return _stream(watch, place) if query.stream else _list(watch, place)


@blueprint.get(
    "/jobs/<job_id>/events", responses={200: EventList, 204: None, **problem_responses(404)}
)
def get_job_events(path: JobPath, query: JobEventsQuery, header: EventsHeader) -> Response:
    """Watch a job: documents of it that fail, and when it is finished, which ends the stream.

    Taken up again after that it answers 204, so that browsers do not ask again.
    """
    it = services()
    job = it.records.job(path.job_id, issues=0)
    watch = _Watch(events=it.events, collections=None, job_id=job.id)
    place = _place(query.after, header) or 0
    if not query.stream:
        return _list(watch, place)
    if job.finished and not watch.after(place)[0] and place:
        return Response(status=HTTPStatus.NO_CONTENT)
    return _stream(watch, place)


def _place(after: int | None, header: EventsHeader) -> int | None:
    """Return the event that was seen last; what a browser says is newer than its address."""
    return after if header.last_event_id is None else header.last_event_id


def _list(watch: _Watch, place: int) -> Response:
    place, missed = _start(watch, place)
    found, last = watch.after(place)
    shapes = [EventShape.of(one) for one in found]
    return answer(EventList(events=shapes, last=last, missed=missed))


def _start(watch: _Watch, place: int) -> tuple[int, bool]:
    """Return where to begin, and whether what came before is forgotten."""
    oldest, newest = watch.events.span()
    if watch.job_id is not None and place == 0:  # whatever is kept
        return oldest, False
    # Ahead of all that ever happened: the catalog was loaded from a backup.
    return min(max(place, oldest), newest), place < oldest or place > newest


def _stream(watch: _Watch, place: int) -> Response:
    """Return what happens after *place* as a stream.

    Raises:
        TooManyStreams: this process serves as many as it may.
    """
    place, missed = _start(watch, place)
    settings = services().settings.events
    return stream(
        _parts(
            watch,
            place,
            missed=missed,
            stream_seconds=settings.stream_seconds,
            poll_seconds=settings.poll_seconds,
        )
    )


def _parts(
    watch: _Watch, place: int, *, missed: bool, stream_seconds: float, poll_seconds: float
) -> Iterator[str]:
    """Yield the text of a stream, a comment now and then so that a client that left is noticed."""
    yield BEGINNING
    if missed:
        yield f"id: {place}\nevent: gap\ndata: {{}}\n\n"
    ends_at = time.monotonic() + stream_seconds
    beats_at = time.monotonic() + _HEARTBEAT_SECONDS
    while True:
        try:
            found, place = watch.after(place)
        except CatalogUnavailable:
            return  # the client comes back, and is told why if it lasts
        for one in found:
            yield _written(one)
            if watch.job_id is not None and one.kind is EventKind.JOB_FINISHED:
                return
        now = time.monotonic()
        if now >= ends_at:
            return
        if found or now >= beats_at:
            yield f"id: {place}\n: here\n\n"
            beats_at = now + _HEARTBEAT_SECONDS
        if len(found) < _PAGE:
            time.sleep(min(poll_seconds, max(ends_at - now, 0.0)))


def _written(event: Event) -> str:
    # JSON holds no line break, which would end the data.
    return (
        f"id: {event.id}\nevent: {event.kind}\ndata: {EventShape.of(event).model_dump_json()}\n\n"
    )
