"""`/collections/{name}/search`: find documents by meaning."""

from flask import Response
from pydantic import BaseModel

from shared.errors import Fault, InvalidRequest
from shared.searching.queries import Moment
from shared.searching.search import search, search_all
from shared.services import open_shelf
from shared.versions.shelf import resolve
from web.api.models.base import CollectionPath
from web.api.models.fields import Chosen
from web.api.models.search import (
    AnyAnswer,
    QueryBody,
    SearchAnswer,
    SearchAnswers,
    SearchBody,
    SearchQuery,
    read_query,
    several,
    single,
)
from web.api.routing import make_blueprint, problem_responses
from web.context import services

blueprint = make_blueprint("search", "Find documents by meaning.")

_WITH_QUERIES = frozenset({"queries", "version", "min_version", "after"})


@blueprint.get(
    "/collections/<name>/search",
    responses={200: SearchAnswer, **problem_responses(404, 410, 429)},
)
def get_search(path: CollectionPath, query: SearchQuery) -> Response:
    """Search a collection."""
    return _one(path.name, query, _moment(path.name, query))


@blueprint.post(
    "/collections/<name>/search",
    responses={200: AnyAnswer, **problem_responses(400, 404, 410, 413, 415, 429)},
)
def post_search(path: CollectionPath, body: SearchBody) -> Response:
    """Search a collection by words too long for an address, by a vector, or several times at once.

    Several `queries` are answered from one version, in `results` in their order, and encoded
    together. If one of them is not valid, none is asked.
    """
    moment = _moment(path.name, body)
    if body.queries is None:
        return _one(path.name, body, moment)
    if beside := sorted(body.model_fields_set - _WITH_QUERIES):
        faults = [Fault(f"/{name}", "cannot go with `queries`") for name in beside]
        raise InvalidRequest(f"{beside[0]} cannot go with `queries`.", faults)
    return _several(path.name, body.queries, moment)


def _one(name: str, asked: SearchQuery | SearchBody, moment: Moment) -> Response:
    it = services().searcher
    chosen = Chosen.read(asked.fields, "/fields")
    query = read_query(asked, it.limits.filter, "")
    return _answer(SearchAnswer.of(search(it, single(name, query, moment)), chosen))


def _several(name: str, asked: list[QueryBody], moment: Moment) -> Response:
    it = services().searcher
    places = [(f"/queries/{place}", one) for place, one in enumerate(asked)]
    chosen = [Chosen.read(one.fields, f"{pointer}/fields") for pointer, one in places]
    queries = [read_query(one, it.limits.filter, pointer) for pointer, one in places]
    return _answer(SearchAnswers.of(search_all(it, several(name, queries, moment)), chosen))


def _moment(name: str, asked: SearchQuery | SearchBody) -> Moment:
    version = (
        None if asked.version is None else resolve(open_shelf(services()), name, asked.version)
    )
    return asked.moment(version)


def _answer(shape: BaseModel) -> Response:
    """Return what was put into *shape*, and nothing else: a hit has only the fields asked for."""
    return Response(shape.model_dump_json(exclude_unset=True), mimetype="application/json")
