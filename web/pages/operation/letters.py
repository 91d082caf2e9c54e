"""`/operation/dead-letters`: what failed or was refused; hand it in again, or let it go."""

from collections import Counter
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from flask import Response, flash, make_response, redirect, render_template, request, url_for
from werkzeug.wrappers import Response as WerkzeugResponse

from shared.dead_letters import dismiss, dismiss_some, replay, replay_some
from shared.domain import (
    DeadLetterFilter,
    DeadLetterId,
    DeadLetterKind,
    NewDocument,
    Replay,
    ReplayOutcome,
)
from shared.errors import DeadLetterNotFound, InvalidRequest, OutOfSpace, Overloaded
from shared.services import open_dead_letter_office
from web.api.models.dead_letters import message_content
from web.context import services
from web.pages.operation.tabs import blueprint

_LISTED = 50
_AT_ONCE = 500
"""Letters that one click handles; the rest of many is a click away."""
_FIELDS = ("kind", "collection", "reason", "text", "replayed")
_WORDS = {
    ReplayOutcome.REPLAYED: "handed in again",
    ReplayOutcome.SUPERSEDED: "replaced by something newer",
    ReplayOutcome.REFUSED: "refused again",
    ReplayOutcome.IMPOSSIBLE: "impossible, since what is needed is not kept",
    ReplayOutcome.SETTLED: "settled already",
}


@blueprint.get("/dead-letters")
def letters() -> str:
    """List dead letters, newest first."""
    values = _typed(request.args)
    which = _filter(values)
    page = services().dead_letters.page(
        which, limit=_LISTED, cursor=request.args.get("cursor") or None
    )
    return render_template(
        "operation/letters.html",
        page=page,
        values=values,
        which=which,
        chosen={name: one for name, one in values.items() if one},
        kinds=list(DeadLetterKind),
        collections=[one.collection.name for one in services().collections.stats()],
        go_on=request.args.get("go_on", ""),
    )


@blueprint.get("/dead-letters/<letter_id>")
def letter(letter_id: str) -> str:
    """Show one with what was handed in."""
    one, content = services().dead_letters.find(_id(letter_id))
    return render_template(
        "operation/letter.html",
        one=one,
        document=content if isinstance(content, NewDocument) else None,
        message=None if isinstance(content, NewDocument) else message_content(content),
    )


@blueprint.get("/dead-letters/<letter_id>/raw")
def raw_letter(letter_id: str) -> Response:
    """Return a refused message just as it came, to be saved."""
    one, content = services().dead_letters.find(_id(letter_id))
    if not isinstance(content, bytes):
        raise DeadLetterNotFound(f"{str(one.id)!r} was not a message of the queue.")
    response = make_response(content)
    response.headers["Content-Type"] = "application/octet-stream"
    response.headers["Content-Disposition"] = f'attachment; filename="message-{one.id.number}"'
    return response


@blueprint.post("/dead-letters/<letter_id>/replay")
def replay_letter(letter_id: str) -> WerkzeugResponse:
    """Hand one in again."""
    try:
        done = replay(open_dead_letter_office(services()), _id(letter_id))
    except (OutOfSpace, Overloaded) as error:
        flash(f"{error.title}. {error.detail}", "bad")
        return _back_to(letter_id)
    flash(*_told(done))
    if done.job_id and done.outcome is ReplayOutcome.REPLAYED:
        return redirect(url_for("job_pages.show", job_id=done.job_id), HTTPStatus.SEE_OTHER)
    return _to_list({})


@blueprint.post("/dead-letters/<letter_id>/dismiss")
def dismiss_letter(letter_id: str) -> WerkzeugResponse:
    """Take one off the list."""
    dismiss(services().dead_letters, _id(letter_id))
    flash(f"{letter_id} is off the list.", "good")
    return _to_list({})


@blueprint.post("/dead-letters/replay")
def replay_letters() -> WerkzeugResponse:
    """Hand in again what the filter finds, oldest first, so many at a time."""
    values = _typed(request.form)
    office = open_dead_letter_office(services())
    cursor = request.form.get("go_on") or None
    try:
        done = replay_some(office, _filter(values), limit=_AT_ONCE, cursor=cursor)
    except (OutOfSpace, Overloaded, InvalidRequest) as error:
        flash(f"{error.title}. {error.detail}", "bad")
        return _to_list(values)
    counts = Counter(one.outcome for one in done.results)
    told = ", ".join(f"{count:,} {_WORDS[outcome]}" for outcome, count in counts.items())
    flash(f"{told or 'Nothing was to be done'}.{_more(more=bool(done.next_cursor))}", "good")
    return _to_list(values | {"go_on": done.next_cursor or ""})


@blueprint.post("/dead-letters/dismiss")
def dismiss_letters() -> WerkzeugResponse:
    """Take what the filter finds off the list, oldest first, so many at a time."""
    values = _typed(request.form)
    count, more = dismiss_some(services().dead_letters, _filter(values), limit=_AT_ONCE)
    flash(f"{count:,} are off the list.{_more(more=more)}", "good")
    return _to_list(values)


def _more(*, more: bool) -> str:
    return " There are more." if more else ""


def _typed(values: Mapping[str, str]) -> dict[str, str]:
    return {name: values.get(name, "").strip() for name in _FIELDS}


def _filter(values: Mapping[str, str]) -> DeadLetterFilter:
    kind = values["kind"]
    return DeadLetterFilter(
        kind=DeadLetterKind(kind) if kind in list(DeadLetterKind) else None,
        collection=values["collection"] or None,
        reason=values["reason"] or None,
        text=values["text"] or None,
        replayed=values["replayed"] == "yes",
    )


def _id(text: str) -> DeadLetterId:
    """Return the id that an address names.

    Raises:
        DeadLetterNotFound: it names none.
    """
    if one := DeadLetterId.parse(text):
        return one
    raise DeadLetterNotFound(f"There is no dead letter {text!r}.")


def _told(done: Replay) -> tuple[str, str]:
    words = f"{done.id} is {_WORDS[done.outcome]}. {done.detail}".strip()
    fine = done.outcome not in (ReplayOutcome.REFUSED, ReplayOutcome.IMPOSSIBLE)
    return words, "good" if fine else "bad"


def _back_to(letter_id: str) -> WerkzeugResponse:
    return redirect(url_for("operation.letter", letter_id=letter_id), HTTPStatus.SEE_OTHER)


def _to_list(values: Mapping[str, str]) -> WerkzeugResponse:
    chosen: dict[str, Any] = {name: one for name, one in values.items() if one}
    return redirect(url_for("operation.letters", **chosen), HTTPStatus.SEE_OTHER)
