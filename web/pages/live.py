"""`/live`: notices that a part of a page would say something else now, so that it asks again.

A part is named by the address that returns it, and whoever may ask for that may watch it. Its page
compares what the part is made of, not its words: cheap to read, and it stands still while nothing
happens. Any event makes a stream look at once; what moves without events (the progress of a job)
it looks at every so often, and the more seldom the longer a look takes.
"""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, TypeAlias
from urllib.parse import parse_qsl, unquote

from flask import Blueprint, Response, current_app, request
from werkzeug.exceptions import HTTPException

from shared.errors import InvalidRequest, NotFound, Retryable
from shared.services import Services
from web.access import admit
from web.context import services
from web.pages import jobs, maps, rebuilding, samples
from web.pages.operation import overview, processes
from web.streams import BEGINNING, stream

blueprint = Blueprint("live", __name__)

_MOST_PARTS = 8
_SHARE = 0.1
"""Of its time, at most, that a stream spends looking at a part."""
_SOONEST_SECONDS = 0.5
"""Between two looks, however much happens."""
_HEARTBEAT_SECONDS = 1.0
"""Short, since a thread notices only by it that somebody went on to another page."""

Standing: TypeAlias = Callable[[Services, Mapping[str, Any]], object]


@dataclass(frozen=True, slots=True)
class _Kind:
    """A sort of part."""

    standing: Standing
    """Returns what a part is made of: `repr` says whether it is the same."""
    seconds: float
    """Between looks while nothing happens."""


_KINDS: Mapping[str, _Kind] = {
    "job_pages.progress": _Kind(jobs.standing, 1.0),
    "sample_pages.progress": _Kind(samples.standing, 1.0),
    "map_pages.progress": _Kind(maps.standing, 1.0),
    "rebuild_pages.progress": _Kind(rebuilding.standing, 2.0),
    "operation.now": _Kind(overview.standing, 5.0),
    "operation.process_list": _Kind(processes.standing, 3.0),
}
"""By the endpoint that returns the part."""


@dataclass(slots=True, kw_only=True)
class _Watch:
    """One part that is watched."""

    kind: _Kind
    arguments: Mapping[str, Any]
    told: str = ""
    """Digest of what it was made of when that was told last; empty if it never was."""
    not_before: float = 0.0
    due: float = 0.0

    def changed(self, it: Services, *, rung: bool) -> bool:
        """Look, if it is time to, and return whether there is something to tell.

        Raises:
            NotFound: it is gone.
            Retryable: not now.
        """
        began = time.monotonic()
        if rung:
            self.due = self.not_before
        if began < self.due:
            return False
        standing = self.kind.standing(it, self.arguments)
        digest = sha256(repr(standing).encode("utf-8", "replace")).hexdigest()[:16]
        ended = time.monotonic()
        self.not_before = ended + max((ended - began) / _SHARE, _SOONEST_SECONDS)
        self.due = max(ended + self.kind.seconds, self.not_before)
        changed, self.told = digest != self.told, digest
        return changed


@blueprint.get("/live")
def notices() -> Response:
    """Stream a notice for each `part` at first, and then whenever one has changed.

    Its data is the number of the part in the address, from 0. Taken up again by `Last-Event-ID`,
    it tells only of what changed meanwhile.

    Raises:
        InvalidRequest: a part is none that can be watched.
        CollectionNotFound, JobNotFound, Forbidden: it is not for whoever asks.
        TooManyStreams: this process serves as many as it may; parts ask by themselves then.
    """
    addresses = request.args.getlist("part")
    if not 1 <= len(addresses) <= _MOST_PARTS:
        raise InvalidRequest(f"Name 1 to {_MOST_PARTS} parts, `?part=` and the address of each.")
    watches = [_watch(one) for one in addresses]
    told = request.headers.get("Last-Event-ID", "").split(".")
    if len(told) == len(watches):
        for watch, digest in zip(watches, told, strict=True):
            watch.told = digest
    return stream(_told(services(), watches))


def _watch(address: str) -> _Watch:
    """Return the watch of the part at an address.

    Raises:
        InvalidRequest: there is none.
        CollectionNotFound, JobNotFound, Forbidden
    """
    path, _, query = address.partition("?")
    adapter = current_app.url_map.bind("", script_name=request.root_path)
    try:
        rule, arguments = adapter.match(unquote(path), method="GET", return_rule=True)
    except HTTPException as error:
        raise InvalidRequest(f"{address!r} is no part of a page.") from error
    kind = _KINDS.get(rule.endpoint)
    if kind is None:
        raise InvalidRequest(f"{address!r} is no part of a page that can be watched.")
    arguments = admit(rule.endpoint, rule.rule, arguments)
    return _Watch(kind=kind, arguments=dict(parse_qsl(query)) | arguments)


def _told(it: Services, watches: Sequence[_Watch]) -> Iterator[str]:
    """Yield the text of a stream, a comment now and then so that a client that left is noticed."""
    yield BEGINNING
    settings = it.settings.events
    ends_at = time.monotonic() + settings.stream_seconds
    beats_at = 0.0
    newest = -1
    while (now := time.monotonic()) < ends_at:
        try:
            last = it.events.span()[1]
            rung, newest = last != newest, last
            changed = [number for number, one in enumerate(watches) if one.changed(it, rung=rung)]
        except (NotFound, Retryable):
            return  # the part itself says what is wrong when it asks
        place = ".".join(one.told for one in watches)
        for number in changed:
            yield f"id: {place}\nevent: changed\ndata: {number}\n\n"
        if now >= beats_at:
            yield ": here\n\n"
            beats_at = now + _HEARTBEAT_SECONDS
        time.sleep(settings.poll_seconds)
