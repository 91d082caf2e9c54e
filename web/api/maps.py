"""`/collections/{name}/map`: the vectors of a collection on a plane."""

from http import HTTPStatus

from flask import Response, url_for

from shared.domain import MapReport, MapState
from shared.errors import Fault, InvalidRequest
from shared.projecting.atlas import ask, find, locate, look
from shared.services import open_atlas, open_shelf
from shared.versions.shelf import resolve
from web.api.models.base import CollectionPath
from web.api.models.maps import DrawnShape, MapBody, MapQuery, MapShape, MapStateShape
from web.api.routing import answer, make_blueprint, problem_responses
from web.context import services

blueprint = make_blueprint("maps", "A collection's vectors, drawn on a plane.")


@blueprint.post(
    "/collections/<name>/map",
    responses={
        200: MapStateShape,
        202: MapStateShape,
        **problem_responses(400, 404, 410),
    },
)
def post_map(path: CollectionPath, body: MapBody) -> Response:
    """Have the map of a version drawn: 202, or 200 if it is there already.

    It is drawn in the background, from a sample if the collection is large, and kept as long as
    the version is. One that failed, or that another sample or seed is asked for, is drawn anew.
    """
    report = wish(path.name, body)
    status = HTTPStatus.OK if report.state is MapState.DONE else HTTPStatus.ACCEPTED
    where = url_for("maps.get_map", name=path.name, version=report.version)
    return answer(MapStateShape.of(report, path.name), status, {"Location": where})


@blueprint.get(
    "/collections/<name>/map", responses={200: MapShape, **problem_responses(400, 404, 410)}
)
def get_map(path: CollectionPath, query: MapQuery) -> Response:
    """Show a map: the place of each passage, its colour, and where a query `q` would lie.

    Close points are alike; distances between far ones, and the sizes of groups, mean little.
    """
    atlas = open_atlas(services())
    version = None
    if query.version is not None:
        version = resolve(open_shelf(services()), path.name, query.version)
    report = find(atlas, path.name, version)
    drawn = None
    if report.projection is not None:
        seen = look(atlas, report, by=query.by)
        place = None if query.q is None else locate(atlas, seen, path.name, query.q)
        drawn = DrawnShape.of(seen, place)
    return answer(MapShape(**dict(MapStateShape.of(report, path.name)), map=drawn))


def wish(name: str, body: MapBody) -> MapReport:
    """Have the map that a body or a form asks for drawn.

    Raises:
        InvalidRequest: of more passages than the installation draws.
        CollectionNotFound, TagNotFound, VersionNotFound, VersionExpired
    """
    it = services()
    most = it.settings.limits.map_points
    if body.sample is not None and body.sample > most:
        detail = f"must be at most {most:,}; LAMINA_LIMITS_MAP_POINTS raises it"
        raise InvalidRequest(f"/sample: {detail}.", [Fault("/sample", detail)])
    version = resolve(open_shelf(it), name, body.version)
    sample = most if body.sample is None else body.sample
    return ask(open_atlas(it), name, version, sample=sample, seed=body.seed)
