"""`/` and `/search`: look for something, see what is in the index."""

from dataclasses import dataclass
from http import HTTPStatus

from flask import Blueprint, Response, make_response, render_template, request

from shared.domain import CollectionStats, Scope, SearchResult, VersionReport
from shared.errors import CollectionNotFound, DocumentNotFound, LaminaError
from shared.searching.cursors import Cursor
from shared.searching.queries import Moment, SearchRequest
from shared.searching.search import search
from shared.services import open_shelf
from shared.versions.shelf import resolve
from web.access import caller, require, visible
from web.context import services
from web.formats import called
from web.pages import samples
from web.pages.forms import preselected
from web.pages.questions import HITS, Refusal, Typed

blueprint = Blueprint("home", __name__)

_VERSIONS_OFFERED = 30


@dataclass(frozen=True, slots=True)
class Answer:
    """What was found, with where it begins in the ranking."""

    result: SearchResult
    first: int
    """Rank of the first hit, from 1."""
    like: str = ""
    """What the document is called that others are like, if they are."""


@blueprint.get("/")
@blueprint.get("/search", endpoint="search")
def index() -> Response:
    """Show the search box, and the hits or what is in the index below it.

    The part below it alone, where a script asks for that as somebody types.
    """
    typed = Typed.of(request.args)
    partial = request.headers.get("HX-Request-Type") == "partial"
    # To count every collection at each key that is pressed would be for nothing.
    known = partial and typed.asks and typed.collection
    stats = (
        [] if known else visible(services().collections.stats(), lambda one: one.collection.name)
    )
    chosen = typed.collection or _worth_asking(stats)
    answer, refusal = None, None
    if typed.asks:
        try:
            answer = _answer(typed, chosen)
        except LaminaError as error:
            refusal = Refusal.of(error)
    page = make_response(
        render_template(
            "_answer.html" if partial else "home.html",
            partial=partial,
            stats=stats,
            chosen=chosen if partial else _behind(chosen),
            typed=typed,
            answer=answer,
            told=refusal.told if refusal else {},
            hits=HITS,
            limits=services().settings.limits,
            versions=() if partial else _versions(stats, chosen),
            sample=None if typed.asks else samples.look(stats),
            closed=services().keyring.closed,
            queue=services().settings.broker.queue,
            empty=not any(one.documents or one.waiting for one in stats),
        ),
        refusal.status if refusal else HTTPStatus.OK,
    )
    if partial:
        page.headers["HX-Replace-Url"] = typed.address()
    return page


def _worth_asking(stats: list[CollectionStats]) -> str:
    """Return the collection to offer first: the default one, unless only others hold something."""
    return preselected([one for one in stats if one.documents or one.waiting] or stats, None)


def _behind(name: str) -> str:
    """Return the collection that an alias leads to, if it is there for whoever asks."""
    try:
        found = services().collections.get(name).name
    except CollectionNotFound:
        return name
    return found if caller().sees(found) else name


def _answer(typed: Typed, chosen: str) -> Answer:
    it = services()
    collection = require(Scope.SEARCH, chosen)
    query = typed.query(it.searcher.limits.filter)
    version = resolve(open_shelf(it), collection, typed.version) if typed.version else None
    moment = Moment(version=version, after=typed.after or None)
    result = search(
        it.searcher, SearchRequest(collection=collection, **vars(query), **vars(moment))
    )
    before = Cursor.read(typed.cursor, "/cursor").offset if typed.cursor else 0
    return Answer(result, before + 1, _name_of(collection, typed.like) if typed.like else "")


def _name_of(collection: str, document_id: str) -> str:
    """Return what a document is called; its id if only older versions hold it."""
    try:
        report = services().records.document(collection, document_id)
    except DocumentNotFound:
        return document_id
    return called(report.title, report.text, document_id)


def _versions(stats: list[CollectionStats], chosen: str) -> list[VersionReport]:
    """Return versions to offer for "as of"; none of a collection that is not there."""
    if not caller().sees(chosen) or not any(one.collection.name == chosen for one in stats):
        return []
    return list(services().records.versions(chosen, limit=_VERSIONS_OFFERED, kept_only=True))
