"""`/collections`: create and describe them, change their rules."""

from http import HTTPStatus

from flask import Response, url_for

from shared.collecting import create_collection, draft_space
from shared.domain import (
    DEFAULT_INDEX_RULE,
    DEFAULT_RETENTION_RULE,
    Collection,
    CollectionStats,
    Rebuild,
)
from shared.errors import CollectionNotFound, RebuildNotFound
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
from web.api.models.rebuilds import NewRebuild, RebuildAnswer, RebuildDetail, RebuildShape
from web.api.routing import answer, make_blueprint, problem_responses
from web.context import services

blueprint = make_blueprint("collections", "Named sets of documents and their rules.")

_FAILURES = 100
"""Documents that failed in a rebuild which are listed."""


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
    return answer(_detail(change(path.name, body).name))


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
    return answer(_detail(recover(path.name, body).name))


@blueprint.post(
    "/collections/<name>/rebuild",
    responses={200: RebuildAnswer, 202: RebuildAnswer, **problem_responses(400, 404, 409)},
)
def post_rebuild(path: CollectionPath, body: NewRebuild) -> Response:
    """Cut and encode every document anew, with another chunking rule or encoder.

    It goes on beside searches and new documents, in the background; then the new vectors take the
    place of the old ones in one version. Older versions stay as they are. 200 and `unchanged` if
    the collection is just so already. The same wish again, or one that names nothing, returns the
    rebuild that is under way: documents that failed are tried once more, or left out with `force`.
    Another one is refused.
    """
    rebuild = begin_rebuild(path.name, body)
    if rebuild is None:
        return answer(RebuildAnswer(unchanged=True, rebuild=None))
    where = url_for("collections.get_rebuild", name=path.name)
    made = RebuildAnswer(unchanged=False, rebuild=shape_of(rebuild))
    return answer(made, HTTPStatus.ACCEPTED, {"Location": where})


@blueprint.get(
    "/collections/<name>/rebuild", responses={200: RebuildDetail, **problem_responses(404)}
)
def get_rebuild(path: CollectionPath) -> Response:
    """Show the rebuild that began last, under way or not, with documents that failed."""
    it = services()
    rebuild = it.rebuilds.last(it.collections.get(path.name).id)
    if rebuild is None:
        raise RebuildNotFound(f"{path.name!r} was never rebuilt.")
    failures = [] if rebuild.state.ended else it.rebuilds.failures(rebuild, limit=_FAILURES)
    return answer(RebuildDetail.closely(shape_of(rebuild), failures))


@blueprint.delete(
    "/collections/<name>/rebuild", responses={200: RebuildShape, **problem_responses(404)}
)
def delete_rebuild(path: CollectionPath) -> Response:
    """Cancel the rebuild that is under way; the collection stays as it is."""
    return answer(shape_of(services().rebuilds.cancel(path.name)))


def begin_rebuild(name: str, wanted: NewRebuild) -> Rebuild | None:
    """Begin, or go on with, the rebuild that a body or a form asks for; None if nothing changes.

    Raises:
        InvalidRequest, EncoderNotInstalled, CollectionNotFound, RebuildUnderWay
    """
    it = services()
    collection = it.collections.get(name)
    under_way = it.rebuilds.last(collection.id) if wanted.names_nothing else None
    space = collection.space
    if under_way and not under_way.state.ended:
        space = under_way.space
    card = it.encoders.card(wanted.encoder or space.encoder)
    draft = draft_space(
        it.encoders,
        card.name,
        metric=wanted.metric or (space.metric if card.name == space.encoder else None),
        chunking=wanted.chunking.rule(card) if wanted.chunking else space.chunking,
    )
    rebuild = it.rebuilds.begin(name, draft, force=wanted.force)
    it.bell.ring()
    return rebuild


def shape_of(rebuild: Rebuild) -> RebuildShape:
    """Return what is shown of a rebuild."""
    estimates = {} if rebuild.state.ended else services().forecast.estimates([rebuild.id])
    return RebuildShape.of_rebuild(rebuild, estimates.get(rebuild.id))


def recover(name: str, body: Recovery) -> Collection:
    """Undo a delete as a body or a form asks for.

    Raises:
        InvalidRequest, CollectionNotFound, CollectionExists
        Forbidden: a new name, and a key that is bound to collections.
    """
    if body.new_name is not None:
        require_unbound()
    it = services()
    recovered = it.discards.recover(name, new=body.new_name, collection_id=body.id)
    it.bell.ring()  # something may have waited in it
    return recovered


def change(name: str, body: CollectionChange) -> Collection:
    """Change what a body or a form names of a collection.

    Raises:
        InvalidRequest, CollectionNotFound, CollectionExists
        Forbidden: a new name, and a key that is bound to collections.
    """
    it = services()
    collection = it.collections.get(name)
    if body.name is not None and body.name != collection.name:
        require_unbound()
        collection = it.names.rename(collection.name, body.name)
    return it.collections.configure(
        collection.name,
        index=body.index.applied(collection.index),
        retention=body.retention.applied(collection.retention),
        keep_originals=body.keep_originals,
    )


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
        keep_originals=wanted.keep_originals,
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
    rebuild = it.rebuilds.last(stats.collection.id)
    return CollectionDetail.closely(
        stats,
        segments=describe(open_shelf(it), name, "head").segments,
        recall=it.chores.recall(stats.collection.id),
        damages=len(it.chores.damages(stats.collection.id)),
        rebuild=shape_of(rebuild) if rebuild else None,
    )
