"""`/dead-letters`: what failed or was refused; hand it in again, or let it go."""

from http import HTTPStatus

from flask import Response, url_for
from werkzeug.exceptions import Forbidden

from shared.dead_letters import dismiss, dismiss_some, replay, replay_some
from shared.domain import DeadLetter, DeadLetterContent, DeadLetterId, Replay, Scope
from shared.errors import CollectionNotFound, DeadLetterNotFound, Fault, InvalidRequest
from shared.services import open_dead_letter_office
from web.access import caller, require
from web.api.models.base import JobLink
from web.api.models.dead_letters import (
    DeadLetterDetail,
    DeadLetterList,
    DeadLetterPath,
    DeadLetterShape,
    DeadLettersQuery,
    Dismissed,
    DismissQuery,
    ReplayList,
    ReplayRequest,
    ReplayShape,
)
from web.api.models.jobs import Nothing
from web.api.routing import answer, make_blueprint, problem_responses
from web.context import services

blueprint = make_blueprint("dead-letters", "What failed or was refused, and what to do about it.")


@blueprint.get("/dead-letters", responses={200: DeadLetterList, **problem_responses(403, 404)})
def get_dead_letters(query: DeadLettersQuery) -> Response:
    """List documents that failed and messages that were refused, newest first."""
    _check_collection(query.collection)
    page = services().dead_letters.page(
        query.to_filter(replayed=query.replayed), limit=query.limit, cursor=query.cursor
    )
    shapes = [_shape(letter) for letter in page.letters]
    return answer(DeadLetterList(dead_letters=shapes, next_cursor=page.next_cursor))


@blueprint.delete("/dead-letters", responses={200: Dismissed, **problem_responses(403, 404)})
def dismiss_dead_letters(query: DismissQuery) -> Response:
    """Dismiss dead letters by filter, oldest first; again while there are `more`."""
    _check_collection(query.collection)
    which = query.to_filter(replayed=query.replayed)
    _check_meant(is_empty=which.is_empty, everything=query.everything)
    count, more = dismiss_some(services().dead_letters, which, limit=query.limit)
    return answer(Dismissed(dismissed=count, more=more))


@blueprint.post(
    "/dead-letters/replay",
    responses={200: ReplayList, **problem_responses(400, 403, 404, 415, 429, 507)},
)
def replay_dead_letters(body: ReplayRequest) -> Response:
    """Hand dead letters in again by filter, oldest first; again while there is a `next_cursor`.

    A failed document goes back into the queue. A refused message is read as if it came now.
    """
    _check_collection(body.collection)
    which = body.to_filter()
    _check_meant(is_empty=which.is_empty, everything=body.everything)
    office = open_dead_letter_office(services())
    replays = replay_some(office, which, limit=body.limit, cursor=body.cursor)
    return answer(ReplayList.of(replays, [_result(one) for one in replays.results]))


@blueprint.get(
    "/dead-letters/<letter_id>", responses={200: DeadLetterDetail, **problem_responses(404)}
)
def get_dead_letter(path: DeadLetterPath) -> Response:
    """Show a dead letter with what was handed in."""
    letter, content = _find(path)
    return answer(DeadLetterDetail.whole(_shape(letter), content))


@blueprint.post(
    "/dead-letters/<letter_id>/replay",
    responses={200: ReplayShape, **problem_responses(400, 404, 415, 429, 507)},
)
def replay_dead_letter(path: DeadLetterPath, body: Nothing) -> Response:  # noqa: ARG001 - empty
    """Hand a dead letter in again."""
    letter, _ = _find(path)
    return answer(_result(replay(open_dead_letter_office(services()), letter.id)))


@blueprint.delete("/dead-letters/<letter_id>", responses={204: None, **problem_responses(404)})
def dismiss_dead_letter(path: DeadLetterPath) -> Response:
    """Dismiss a dead letter: a message is erased, a document stays failed without its text."""
    letter, _ = _find(path)
    dismiss(services().dead_letters, letter.id)
    return Response(status=HTTPStatus.NO_CONTENT)


def _check_collection(collection: str | None) -> None:
    """Refuse a key that is bound to collections, unless the filter names one of them.

    Raises:
        CollectionNotFound, Forbidden
    """
    if caller().unbound:
        return
    if collection is None:
        raise Forbidden("The key is bound to collections: name one of them as `collection`.")
    # Refused messages keep the name that they came with, so an alias is no name for them.
    if require(Scope.WRITE, collection) != collection:
        raise CollectionNotFound(f"No collection is called {collection!r}.")


def _check_meant(*, is_empty: bool, everything: bool) -> None:
    if is_empty and not everything:
        detail = "must be true to mean every dead letter; else say which"
        raise InvalidRequest(f"/all: {detail}.", [Fault("/all", detail)])


def _find(path: DeadLetterPath) -> tuple[DeadLetter, DeadLetterContent]:
    """Return a dead letter that is there for whoever asks.

    Raises:
        DeadLetterNotFound: there is none.
    """
    if one := DeadLetterId.parse(path.letter_id):
        letter, content = services().dead_letters.find(one)
        if caller().sees(letter.collection):
            return letter, content
    raise DeadLetterNotFound(f"There is no dead letter {path.letter_id!r}.")


def _shape(letter: DeadLetter) -> DeadLetterShape:
    url = url_for("dead-letters.get_dead_letter", letter_id=str(letter.id))
    return DeadLetterShape.of(letter, url, _job(letter.job_id))


def _result(one: Replay) -> ReplayShape:
    return ReplayShape.of(one, _job(one.job_id))


def _job(job_id: str | None) -> JobLink | None:
    return JobLink(id=job_id, url=url_for("jobs.get_job", job_id=job_id)) if job_id else None
