"""`/livez`, `/readyz`, `/version`: for load balancers, orchestrators and support."""

import platform
from collections.abc import Iterator, Sequence
from http import HTTPStatus
from typing import cast

from flask import Response, current_app
from flask_openapi3.blueprint import APIBlueprint
from flask_openapi3.models.tag import Tag

from shared.domain import Damage, Lane, Process
from shared.errors import LaminaError, OutOfSpace, Overloaded, Retryable
from shared.product import library_versions
from shared.services import INDEX_FORMAT, Services
from shared.waiting.forecast import ALIVE_SECONDS
from web.api.models.health import Health, ProgramShape
from web.api.routing import answer, problem_responses
from web.background import Background
from web.context import services

blueprint = APIBlueprint(
    "health", __name__, abp_tags=[Tag(name="health", description="For load balancers.")]
)


@blueprint.get("/livez", responses={200: Health, 503: Health})
def get_livez() -> Response:
    """Say that the process answers and all of it lives; else it should be started again."""
    return _health(_background().lost(), [])


@blueprint.get("/readyz", responses={200: Health, 503: Health})
def get_readyz() -> Response:
    """Say whether the process can serve searches and take documents in, and why not."""
    reasons = [problem] if (problem := _background().warm_up.problem) else []
    warnings = list(_own_warnings(services()))
    try:
        warnings += _shared_warnings(services())
    except Retryable as error:
        reasons.append(f"{error.title}: {error.detail}")
    return _health(reasons, warnings)


@blueprint.get(
    "/version",
    responses={200: ProgramShape, **problem_responses(401, 403, 429, 500)},
    security=[{"bearer": []}, {}],
)
def get_version() -> Response:
    """Tell what runs: Lamina, schema, index format, encoder, Python and libraries."""
    it = services()
    shape = ProgramShape(
        lamina=current_app.config["VERSION"],
        schema_known=it.database.schema,
        schema_found=_schema_found(it),
        index_format=INDEX_FORMAT,
        encoder=it.settings.encoder,
        encoder_fingerprint=_fingerprint(it),
        python=platform.python_version(),
        libraries=library_versions(),
    )
    return answer(shape)


def _health(reasons: Sequence[str], warnings: Sequence[str]) -> Response:
    status = HTTPStatus.SERVICE_UNAVAILABLE if reasons else HTTPStatus.OK
    return answer(Health(ready=not reasons, reasons=list(reasons), warnings=list(warnings)), status)


def _background() -> Background:
    return cast("Background", current_app.extensions["background"])


def _own_warnings(it: Services) -> Iterator[str]:
    """Yield what this process itself cannot do. Searches go on.

    None of it is a reason to be unready: every replica would be taken out at once.
    """
    if problem := it.snapshots.problem:
        yield f"The index cannot be followed: {problem}"
    try:
        it.room.check()
        it.backlog.check(Lane.INTERACTIVE)
    except (OutOfSpace, Overloaded) as error:
        yield f"No documents are taken in: {error.detail}"
    except Retryable:
        return  # said by whoever asks the catalog
    if it.room.fits() and not it.spool.fits():
        yield "No files are taken in: the disk where they would wait is nearly full."


def _shared_warnings(it: Services) -> Iterator[str]:
    """Yield what does not work elsewhere.

    Raises:
        CatalogUnavailable
    """
    alive = it.roster.processes(within_seconds=ALIVE_SECONDS)
    kinds = {one.kind for one in alive}
    if "index" not in kinds:
        yield "No index worker is alive: documents are accepted but wait."
    if "parser" not in kinds:
        yield "No parser is alive: files are accepted but wait."
    yield from (_troubled(one) for one in alive if one.condition.trouble and one.kind != "web")
    if damages := it.chores.damages():
        yield _damaged(damages)


def _troubled(process: Process) -> str:
    return f"{process.kind} {process.name}: {process.condition.trouble}"


def _damaged(damages: Sequence[Damage]) -> str:
    collections = {one.collection_id for one in damages}
    return (
        f"{len(damages)} damaged file(s) in {len(collections)} collection(s). Nothing reads them; "
        "searches go on with the last good version. `lamina fsck --repair` makes them anew."
    )


def _schema_found(it: Services) -> str | None:
    try:
        return it.database.found_schema()
    except Retryable:
        return None


def _fingerprint(it: Services) -> str | None:
    try:
        return it.encoders.card(it.settings.encoder).fingerprint
    except LaminaError:
        return None
