"""`/collections`: create and describe them, list their versions."""

from http import HTTPStatus

from flask import Response, url_for

from shared.collecting import create_collection
from shared.domain import Collection, CollectionStats
from shared.errors import CollectionNotFound
from web.api.models.base import CollectionPath
from web.api.models.collections import (
    CollectionList,
    CollectionShape,
    NewCollection,
    VersionList,
    VersionShape,
    VersionsQuery,
)
from web.api.routing import answer, make_blueprint, problem_responses
from web.context import services

blueprint = make_blueprint("collections", "Named sets of documents and their versions.")


@blueprint.post("/collections", responses={201: CollectionShape, **problem_responses(400, 409)})
def post_collection(body: NewCollection) -> Response:
    """Create a collection."""
    create(body)
    where = url_for("collections.get_collection", name=body.name)
    shape = CollectionShape.of(find_stats(body.name))
    return answer(shape, HTTPStatus.CREATED, {"Location": where})


@blueprint.get("/collections", responses={200: CollectionList})
def get_collections() -> Response:
    """List all collections, by name."""
    stats = services().collections.stats()
    return answer(CollectionList(collections=[CollectionShape.of(one) for one in stats]))


@blueprint.get("/collections/<name>", responses={200: CollectionShape, **problem_responses(404)})
def get_collection(path: CollectionPath) -> Response:
    """Describe a collection."""
    return answer(CollectionShape.of(find_stats(path.name)))


@blueprint.get(
    "/collections/<name>/versions", responses={200: VersionList, **problem_responses(404)}
)
def get_versions(path: CollectionPath, query: VersionsQuery) -> Response:
    """List the newest versions of a collection, newest first."""
    versions = services().records.versions(path.name, limit=query.limit)
    return answer(VersionList(versions=[VersionShape.of(one) for one in versions]))


def create(wanted: NewCollection) -> Collection:
    """Create the collection that a body or a form asks for.

    Raises:
        InvalidRequest, EncoderNotInstalled, CollectionExists
    """
    it = services()
    card = it.encoders.card(wanted.encoder or it.settings.encoder)
    return create_collection(
        it.collections,
        it.encoders,
        wanted.name,
        encoder=card.name,
        metric=wanted.metric,
        chunking=wanted.chunking.rule(card),
    )


def find_stats(name: str) -> CollectionStats:
    """Return a collection in numbers.

    Raises:
        CollectionNotFound: there is none.
    """
    for stats in services().collections.stats():
        if stats.collection.name == name:
            return stats
    raise CollectionNotFound(f"No collection is called {name!r}.")
