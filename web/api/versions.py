"""`/collections/{name}/versions`, tags, comparing and restoring."""

from http import HTTPStatus

from flask import Response

from shared.services import open_shelf
from shared.versions.comparing import compare_rankings
from shared.versions.restoring import preview, restore
from shared.versions.shelf import Shelf, describe, diff, tag, untag
from web.api.maintenance import damage_shapes
from web.api.models.base import CollectionPath
from web.api.models.versions import (
    CompareBody,
    DiffQuery,
    DiffShape,
    NewTag,
    RankingShape,
    RestoreBody,
    RestoreShape,
    SegmentShape,
    TagPath,
    VersionDetail,
    VersionList,
    VersionPath,
    VersionShape,
    VersionsQuery,
)
from web.api.routing import answer, make_blueprint, problem_responses
from web.context import services

blueprint = make_blueprint("versions", "Kept versions: named, compared, restored.")

_PREVIEWED = 100


@blueprint.get(
    "/collections/<name>/versions", responses={200: VersionList, **problem_responses(404)}
)
def get_versions(path: CollectionPath, query: VersionsQuery) -> Response:
    """List the versions of a collection, newest first."""
    versions = services().records.versions(
        path.name,
        limit=query.limit,
        before=query.before,
        content_only=query.content_only,
        kept_only=query.kept_only,
    )
    return answer(VersionList(versions=[VersionShape.of(one) for one in versions]))


@blueprint.get(
    "/collections/<name>/versions/<ref>",
    responses={200: VersionDetail, **problem_responses(404, 410)},
)
def get_version(path: VersionPath) -> Response:
    """Describe one version with its segments, how each is laid out, and what is damaged."""
    found = describe(_shelf(), path.name, path.ref)
    layers = None
    if found.segments is not None:
        layers = [SegmentShape.of(one) for one in found.segments]
    damages = damage_shapes(found.damages)
    return answer(VersionDetail.closely(found.report, layers=layers, damages=damages))


@blueprint.put(
    "/collections/<name>/tags/<tag>",
    responses={200: VersionShape, **problem_responses(400, 404, 410)},
)
def put_tag(path: TagPath, body: NewTag) -> Response:
    """Name a version, so that it is kept; a tag that names another one moves to it."""
    return answer(VersionShape.of(tag(_shelf(), path.name, body.version, path.tag)))


@blueprint.delete("/collections/<name>/tags/<tag>", responses={204: None, **problem_responses(404)})
def delete_tag(path: TagPath) -> Response:
    """Take a tag away; the version stays as long as the retention rule keeps it."""
    untag(_shelf(), path.name, path.tag)
    return Response(status=HTTPStatus.NO_CONTENT)


@blueprint.get(
    "/collections/<name>/versions/<ref>/diff",
    responses={200: DiffShape, **problem_responses(404, 410)},
)
def get_diff(path: VersionPath, query: DiffQuery) -> Response:
    """List the documents that were added, changed and removed since a version."""
    found = diff(_shelf(), path.name, path.ref, query.to, limit=query.limit, cursor=query.cursor)
    return answer(DiffShape.of(found))


@blueprint.post(
    "/collections/<name>/compare",
    responses={200: RankingShape, **problem_responses(400, 404, 410)},
)
def post_compare(path: CollectionPath, body: CompareBody) -> Response:
    """Ask two versions the same, or two queries, and show how the ranking moved."""
    found = compare_rankings(
        _shelf(),
        services().searcher,
        path.name,
        body.q,
        before=body.before,
        after=body.after,
        k=body.k,
        query_after=body.q_after,
    )
    return answer(RankingShape.of(found))


@blueprint.post(
    "/collections/<name>/restore",
    responses={200: RestoreShape, **problem_responses(400, 404, 410)},
)
def post_restore(path: CollectionPath, body: RestoreBody) -> Response:
    """Make a new version that is equal to an old one.

    Documents of later versions are withdrawn: nothing finds them any more, but every kept
    version still has them. With `dry_run` the answer says what would change, and nothing does.
    """
    return _preview(path.name, body) if body.dry_run else _restore(path.name, body)


def _preview(name: str, body: RestoreBody) -> Response:
    it = services()
    change = preview(_shelf(), name, body.version, limit=_PREVIEWED)
    shape = RestoreShape(
        collection=name,
        restored=change.after,
        dry_run=True,
        unchanged=not (change.added or change.changed or change.removed),
        version=VersionShape.of(it.records.version(name, change.before)),
        diff=DiffShape.of(change),
    )
    return answer(shape)


def _restore(name: str, body: RestoreBody) -> Response:
    it = services()
    done = restore(_shelf(), name, body.version)
    shape = RestoreShape(
        collection=name,
        restored=done.restored,
        dry_run=False,
        unchanged=done.unchanged,
        version=VersionShape.of(it.records.version(name, done.head.version)),
        diff=None,
    )
    return answer(shape)


def _shelf() -> Shelf:
    return open_shelf(services())
