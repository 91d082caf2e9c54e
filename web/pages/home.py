"""`/` and `/search`: look for something, see what is in the index."""

from http import HTTPStatus

from flask import Blueprint, render_template, request
from flask.typing import ResponseReturnValue

from shared.domain import Scope, SearchResult
from shared.errors import LaminaError
from shared.searching.search import SearchRequest, search
from web.access import require, visible
from web.context import services
from web.pages.forms import preselected, whole_number
from web.problems import STATUS

blueprint = Blueprint("home", __name__)

_HITS = 10


@blueprint.get("/")
@blueprint.get("/search", endpoint="search")
def index() -> ResponseReturnValue:
    """Show the search box, and the hits or what is in the index below it."""
    stats = visible(services().collections.stats(), lambda one: one.collection.name)
    chosen = preselected(stats, request.args.get("collection"))
    query = request.args.get("q", "")
    result, error, status = None, None, HTTPStatus.OK
    if query.strip():
        try:
            result = _search(request.args.get("collection") or chosen, query)
        except LaminaError as refused:
            error, status = refused, STATUS[type(refused)]
    page = render_template(
        "home.html",
        stats=stats,
        chosen=chosen,
        query=query,
        k=request.args.get("k", str(_HITS)),
        version=request.args.get("version", ""),
        after=request.args.get("after", ""),
        result=result,
        error=error,
        searching=bool(query.strip()),
        empty=not any(one.documents or one.waiting for one in stats),
    )
    return page, status


def _search(collection: str, query: str) -> SearchResult:
    collection = require(Scope.SEARCH, collection)
    values = request.args
    return search(
        services().searcher,
        SearchRequest(
            collection=collection,
            query=query,
            k=whole_number(values, "k", _HITS) or _HITS,
            version=whole_number(values, "version", None),
            after=values.get("after") or None,
        ),
    )
