"""`/collections`: create and describe them, change their rules."""

from http import HTTPStatus

from flask import Response, url_for

from shared.collecting import create_collection
from shared.domain import (
    DEFAULT_INDEX_RULE,
    DEFAULT_RETENTION_RULE,
    Collection,
    CollectionStats,
)
from shared.errors import CollectionNotFound
from shared.services import open_shelf
from shared.versions.shelf import describe
from web import record
from web.access import require_unbound, visible
from web.api.models.base import CollectionPath
from web.api.models.collections import (
    CollectionChange,
    CollectionDetail,
    CollectionList,
    CollectionShape,
    DeletedList,
    DeletedShape,
    NewCollection,
    Recovery,
)
from web.api.routing import answer, make_blueprint, problem_responses
from web.context import services

blueprint = make_blueprint("collections", "Named sets of documents and their rules.")


@blueprint.post("/collections", responses={201: CollectionDetail, **problem_responses(400, 409)})
def post_collection(body: NewCollection) -> Response:
    """Create a collection."""
    record.target(collection=body.name)
    create(body)
    where = url_for("collections.get_collection", name=body.name)
    return answer(_detail(body.name), HTTPStatus.CREATED, {"Location": where})


@blueprint.get("/collections", responses={200: CollectionList})
def get_collections() -> Response:
    """List the collections that the key opens, by name."""
    stats = visible(services().collections.stats(), lambda one: one.collection.name)
    return answer(CollectionList(collections=[CollectionShape.of(one) for one in stats]))


@blueprint.get("/collections/<name>", responses={200: CollectionDetail, **problem_responses(404)})
def get_collection(path: CollectionPath) -> Response:
    """Describe a collection: its rules, how its index is laid out now, and how well it finds."""
    return answer(_detail(path.name))


@blueprint.patch(
    "/collections/<name>", responses={200: CollectionDetail, **problem_responses(400, 404, 409)}
)
def patch_collection(path: CollectionPath, body: CollectionChange) -> Response:
    """Change a collection's rules or its name: no document is encoded again.

    A new name is for keys that open all collections: keys are bound to names.

    Another index policy, recall target or memory limit lays large segments out anew in the
    background; searches go on meanwhile. What is left out stays as it is.
    """
    it = services()
    collection = it.collections.get(path.name)
    if body.name is not None and body.name != collection.name:
        require_unbound()
        collection = it.names.rename(collection.name, body.name)
    it.collections.configure(
        collection.name,
        index=body.index.applied(collection.index),
        retention=body.retention.applied(collection.retention),
    )
    return answer(_detail(collection.name))


@blueprint.delete(
    "/collections/<name>", responses={200: DeletedShape, **problem_responses(404, 409)}
)
def delete_collection(path: CollectionPath) -> Response:
    """Delete a collection: hidden at once, its name free, and removed for good some days later.

    Until then it can be recovered, with what waits of it. It is refused while an alias leads to
    the collection.
    """
    it = services()
    deleted = it.discards.discard(path.name)
    record.target(collection=deleted.name, id=str(deleted.id))
    return answer(DeletedShape.of(deleted, it.settings.retention.deleted_days))


@blueprint.get("/deleted-collections", responses={200: DeletedList})
def get_deleted() -> Response:
    """List the collections that can be recovered, those deleted last first."""
    it = services()
    found = visible(it.discards.discarded(), lambda one: one.name)
    days = it.settings.retention.deleted_days
    return answer(DeletedList(collections=[DeletedShape.of(one, days) for one in found]))


@blueprint.post(
    "/collections/<name>/recover",
    responses={200: CollectionDetail, **problem_responses(400, 404, 409)},
)
def post_recover(path: CollectionPath, body: Recovery) -> Response:
    """Undo the delete of a collection: of that name, the one that was deleted last.

    Where the name is taken by now, say in `new_name` what it shall be called.
    """
    if body.new_name is not None:
        require_unbound()
    it = services()
    recovered = it.discards.recover(path.name, new=body.new_name, collection_id=body.id)
    it.bell.ring()  # something may have waited in it
    return answer(_detail(recovered.name))


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
        index=wanted.index.applied(DEFAULT_INDEX_RULE),
        retention=wanted.retention.applied(DEFAULT_RETENTION_RULE),
    )


def find_stats(name: str) -> CollectionStats:
    """Return a collection in numbers.

    Raises:
        CollectionNotFound: there is none.
    """
    meant = services().collections.get(name).id
    for stats in services().collections.stats():
        if stats.collection.id == meant:
            return stats
    raise CollectionNotFound(f"No collection is called {name!r}.")  # deleted just now


def _detail(name: str) -> CollectionDetail:
    it = services()
    stats = find_stats(name)
    return CollectionDetail.closely(
        stats,
        segments=describe(open_shelf(it), name, "head").segments,
        recall=it.chores.recall(stats.collection.id),
        damages=len(it.chores.damages(stats.collection.id)),
    )
