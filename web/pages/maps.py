"""`/collections/<name>/map`: the vectors of a collection on a plane."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus

import numpy as np
from flask import Blueprint, Response, make_response, render_template, request, url_for
from flask.typing import ResponseReturnValue
from werkzeug.wrappers import Response as WerkzeugResponse

from shared.domain import MapReport
from shared.errors import InvalidRequest, LaminaError, MapNotFound, NotFound, VersionExpired
from shared.projecting.atlas import MapPoint, QueryPlace, SeenMap, find, locate, look
from shared.services import Services, open_atlas, open_shelf
from shared.versions.shelf import resolve
from web.api.maps import wish
from web.api.models.maps import MapBody
from web.context import services
from web.pages.collection_frame import back_to, render, say
from web.pages.forms import checked, filled, typed
from web.problems import STATUS

blueprint = Blueprint("map_pages", __name__)

_NAMED = 12
"""Documents that the list beside the map names of each group."""
_SIDE = 1000
"""Of the drawing, in its own units."""
_MARGIN = 24


@dataclass(frozen=True, slots=True)
class Group:
    """The points of one colour, for the list beside the map."""

    shade: int | None
    label: str
    count: int
    documents: tuple[MapPoint, ...]
    """Some of them, those in the middle of the group first, each document once."""


@blueprint.get("/collections/<name>/map")
def show(name: str) -> ResponseReturnValue:
    """Show the newest map, or that of a version; how to get one where there is none."""
    values = {field: request.args.get(field, "").strip() for field in ("version", "by", "q")}
    atlas = open_atlas(services())
    version = _version(name, values["version"])
    report, seen, place = _found(name, version), None, None
    told: dict[str, str] = {}
    status = HTTPStatus.OK
    if report is not None and report.projection is not None:
        try:
            seen = look(atlas, report, by=values["by"] or None)
            place = locate(atlas, seen, name, values["q"]) if values["q"] else None
        except LaminaError as error:
            told["by" if seen is None else "q"] = error.detail
            status = STATUS[type(error)]
    if seen is None and report is not None and report.projection is not None:
        seen = look(atlas, report)
    page = render(
        "collection/map.html",
        name,
        report=report,
        seen=seen,
        place=place,
        groups=_groups(seen) if seen else (),
        values=values,
        told=told,
        chosen=filled(values),
        most=services().settings.limits.map_points,
    )
    return page, status


@blueprint.post("/collections/<name>/map")
def draw(name: str) -> WerkzeugResponse:
    """Have a map drawn, and show how it gets on."""
    try:
        report = wish(name, checked(MapBody, filled(typed("version", "sample", "seed"))))
    except (InvalidRequest, NotFound, VersionExpired) as error:
        say(error)
        return back_to("map_pages.show", name)
    return back_to("map_pages.show", name, version=str(report.version))


@blueprint.get("/collections/<name>/map/progress")
def progress(name: str) -> ResponseReturnValue:
    """Return the part of the page that says how far the map is; reload the page at its end."""
    report = find(open_atlas(services()), name, _version(name, request.args.get("version", "")))
    response = make_response(render_template("collection/_map_wish.html", report=report, name=name))
    if report.ended_at is not None:
        response.headers["HX-Redirect"] = url_for(
            "map_pages.show", name=name, version=report.version
        )
    return response


def standing(it: Services, arguments: Mapping[str, str]) -> object:
    """Return what the part of the page that waits for a map is made of, for `/live`."""
    name, ref = arguments["name"], arguments.get("version", "")
    version = resolve(open_shelf(it), name, ref) if ref else None
    return find(open_atlas(it), name, version).state


@blueprint.get("/collections/<name>/map/points")
def points(name: str) -> ResponseReturnValue:
    """Return the points of a map as JSON, for the script that draws them."""
    seen, place = _seen(name)
    return {
        "labels": seen.colouring.labels,
        "rising": seen.colouring.rising,
        "points": [
            [
                one.x,
                one.y,
                -1 if one.shade is None else one.shade,
                one.title,
                url_for("document_pages.show", name=name, document_id=one.document),
            ]
            for one in seen.points
        ],
        "query": None
        if place is None
        else {
            "x": place.x,
            "y": place.y,
            "nearest": [[one.x, one.y] for one, _ in place.nearest],
        },
    }


@blueprint.get("/collections/<name>/map.svg")
def picture(name: str) -> Response:
    """Return a map as a picture, for those without scripts."""
    seen, place = _seen(name)
    text = render_template("collection/map.svg", seen=seen, place=place, at=_at, side=_SIDE)
    return Response(text, mimetype="image/svg+xml")


def _seen(name: str) -> tuple[SeenMap, QueryPlace | None]:
    """Return the map that an address asks for.

    Raises:
        MapNotFound, InvalidRequest, CollectionNotFound, VersionExpired, Retryable
    """
    atlas = open_atlas(services())
    report: MapReport = find(atlas, name, _version(name, request.args.get("version", "")))
    seen = look(atlas, report, by=request.args.get("by") or None)
    query = request.args.get("q", "").strip()
    return seen, locate(atlas, seen, name, query) if query else None


def _version(name: str, ref: str) -> int | None:
    return resolve(open_shelf(services()), name, ref) if ref else None


def _found(name: str, version: int | None) -> MapReport | None:
    """Return the map of a version, or the newest one; None if there is none.

    Raises:
        VersionNotFound: there is no such version.
    """
    try:
        return find(open_atlas(services()), name, version)
    except MapNotFound:
        if version is not None:
            services().records.version(name, version)
        return None


def _groups(seen: SeenMap) -> list[Group]:
    """Return the points by colour, as the list beside the map shows them."""
    by_shade: dict[int | None, list[MapPoint]] = {}
    for point in seen.points:
        by_shade.setdefault(point.shade, []).append(point)
    labels = [*enumerate(seen.colouring.labels), (None, f"no {seen.colouring.by}")]
    return [
        Group(shade, label, len(by_shade[shade]), _central(by_shade[shade]))
        for shade, label in labels
        if shade in by_shade
    ]


def _central(points: Sequence[MapPoint]) -> tuple[MapPoint, ...]:
    """Return some points, nearest to the middle of all first, one of each document."""
    places = np.array([(one.x, one.y) for one in points])
    order = np.linalg.norm(places - np.median(places, axis=0), axis=1).argsort(kind="stable")
    first = {points[place].document: points[place] for place in reversed(order)}
    ranked = dict.fromkeys(points[place].document for place in order)
    return tuple(first[document] for document in list(ranked)[:_NAMED])


def _at(value: float) -> float:
    """Return where a coordinate from -1 to 1 lies in the drawing."""
    return round(_MARGIN + (value + 1) / 2 * (_SIDE - 2 * _MARGIN), 1)
