"""`/collections/{name}/search`: find documents by meaning."""

from flask import Response

from shared.searching.search import search
from shared.services import open_shelf
from shared.versions.shelf import resolve
from web.api.models.base import CollectionPath
from web.api.models.search import SearchAnswer, SearchBody, SearchQuery
from web.api.routing import answer, make_blueprint, problem_responses
from web.context import services

blueprint = make_blueprint("search", "Find documents by meaning.")


@blueprint.get(
    "/collections/<name>/search",
    responses={200: SearchAnswer, **problem_responses(404, 410, 429)},
)
def get_search(path: CollectionPath, query: SearchQuery) -> Response:
    """Search a collection."""
    return _search(path.name, query)


@blueprint.post(
    "/collections/<name>/search",
    responses={200: SearchAnswer, **problem_responses(400, 404, 410, 413, 415, 429)},
)
def post_search(path: CollectionPath, body: SearchBody) -> Response:
    """Search a collection; for queries too long for an address."""
    return _search(path.name, body)


def _search(name: str, query: SearchQuery) -> Response:
    it = services()
    version = None if query.version is None else resolve(open_shelf(it), name, query.version)
    shape = SearchAnswer.of(search(it.searcher, query.request(name, version)))
    leave_out = frozenset() if shape.after else frozenset({"after"})
    return answer(shape, leave_out=leave_out)
