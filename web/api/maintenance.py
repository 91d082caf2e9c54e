"""`/chores`, `/damages`, garbage and purges: what keeps an installation in order."""

from collections.abc import Sequence

from flask import Response

from shared.domain import Chore, ChoreState, Damage, Scope
from shared.services import open_keeper, open_purger
from shared.trust.purging import purge
from shared.upkeep.garbage import collect
from web.access import gathered, require, visible
from web.api.models.base import CollectionPath, DocumentPath
from web.api.models.maintenance import (
    ChoreList,
    ChoreShape,
    ChoresQuery,
    DamageList,
    DamageShape,
    DamagesQuery,
    GarbageBody,
    GarbageShape,
    PurgeBody,
    PurgeShape,
)
from web.api.routing import answer, make_blueprint, problem_responses
from web.context import services

blueprint = make_blueprint("maintenance", "Upkeep: what is done, damaged, or no longer needed.")


@blueprint.post(
    "/collections/<name>/garbage",
    responses={200: GarbageShape, **problem_responses(400, 404, 429)},
)
def post_garbage(path: CollectionPath, body: GarbageBody) -> Response:
    """Say which versions and files the retention rule lets go; remove them if `dry_run` is false.

    Upkeep does this by itself. Nothing that a kept version needs is ever removed.
    """
    it = services()
    collection = it.collections.get(path.name)
    garbage = collect(open_keeper(it), collection, dry_run=body.dry_run)
    return answer(GarbageShape.of(garbage))


@blueprint.post(
    "/collections/<name>/documents/<anything:document_id>/purge",
    responses={200: PurgeShape, **problem_responses(400, 404)},
)
def post_purge(path: DocumentPath, body: PurgeBody) -> Response:  # noqa: ARG001 - must be there
    """Erase a document from every version, now and for good.

    Deleting a document leaves it in older versions for as long as they are kept; this does not.
    The versions keep their numbers.
    """
    return answer(PurgeShape.of(purge(open_purger(services()), path.name, path.document_id)))


@blueprint.get("/chores", responses={200: ChoreList, **problem_responses(404)})
def get_chores(query: ChoresQuery) -> Response:
    """List merges, new layouts and other upkeep: active ones first, then the newest."""
    if query.collection is not None:
        services().collections.get(query.collection)
    chores = gathered(
        lambda name: services().chores.chores(collection=name, limit=query.limit),
        wanted=query.collection,
        order=lambda one: (one.state is not ChoreState.ACTIVE, -one.id),
        limit=query.limit,
    )
    return answer(ChoreList(chores=chore_shapes(chores)))


@blueprint.get("/damages", responses={200: DamageList, **problem_responses(404)})
def get_damages(query: DamagesQuery) -> Response:
    """List damaged files; `lamina fsck --repair` makes them anew."""
    collection_id = None
    if query.collection is not None:
        name = require(Scope.SEARCH, query.collection)
        collection_id = services().collections.get(name).id
    shapes = damage_shapes(services().chores.damages(collection_id))
    return answer(DamageList(damages=visible(shapes, lambda one: one.collection)))


def chore_shapes(chores: Sequence[Chore]) -> list[ChoreShape]:
    """Return what the API shows of chores."""
    names = _names({one.collection_id for one in chores})
    return [ChoreShape.of(one, names[one.collection_id]) for one in chores]


def damage_shapes(damages: Sequence[Damage]) -> list[DamageShape]:
    """Return what the API shows of damaged files."""
    names = _names({one.collection_id for one in damages})
    return [DamageShape.of(one, names[one.collection_id]) for one in damages]


def _names(collection_ids: set[int]) -> dict[int, str]:
    return {one: services().collections.by_id(one).name for one in collection_ids}
