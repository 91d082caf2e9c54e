"""`/status`, `/encoders`, `/claims`, `/schemas`."""

from collections import Counter
from importlib.resources import files

from flask import Response, current_app
from werkzeug.exceptions import NotFound

from shared.domain import Chore, ChoreState, rfc3339
from shared.ports import Chores
from shared.services import Services
from shared.waiting.forecast import ALIVE_SECONDS
from web.access import caller, visible
from web.api.maintenance import chore_shapes
from web.api.models.collections import CollectionShape
from web.api.models.system import (
    Backlog,
    ClaimList,
    ClaimsQuery,
    EncoderList,
    EncoderShape,
    FileQueueShape,
    ProcessShape,
    RunningRebuild,
    SchemaPath,
    Status,
    TroubleShape,
)
from web.api.routing import answer, make_blueprint, problem_responses
from web.context import services

blueprint = make_blueprint("system", "The installation itself.")

_MOST_CHORES = 100
_MOST_COUNTED = 10_000
_ASYNCAPI = "application/vnd.aai.asyncapi+json;version=3.0.0"


@blueprint.get("/status", responses={200: Status})
def get_status() -> Response:
    """Show which processes are alive and what waits."""
    it = services()
    backlog = it.roster.backlog()
    alive = it.roster.processes(within_seconds=ALIVE_SECONDS)
    stats = visible(it.collections.stats(), lambda one: one.collection.name)
    ids = {one.collection.id for one in stats}
    status = Status(
        processes=dict(Counter(one.kind for one in alive)),
        alive=[ProcessShape.of(one) for one in alive],
        troubles=[TroubleShape.of(one) for one in alive if one.condition.trouble],
        backlog=Backlog(
            pending=int(backlog.get("pending", 0)),
            claimed=int(backlog.get("claimed", 0)),
            oldest_seconds=round(backlog.get("oldest", 0.0), 3),
        ),
        files=FileQueueShape.of(it.waiting.files()),
        rebuilds=visible(_rebuilds(it), lambda one: one.collection),
        collections=[CollectionShape.of(one) for one in stats],
        chores=visible(chore_shapes(_active(it.chores)), lambda one: one.collection),
        damages=sum(one.collection_id in ids for one in it.chores.damages()),
        dead_letters=it.dead_letters.count(most=_MOST_COUNTED) if caller().unbound else None,
        version=current_app.config["VERSION"],
    )
    return answer(status)


@blueprint.get("/encoders", responses={200: EncoderList})
def get_encoders() -> Response:
    """List the encoders installed here."""
    cards = services().encoders.cards()
    return answer(EncoderList(encoders=[EncoderShape.of(card) for card in cards]))


@blueprint.get("/claims", responses={200: ClaimList, **problem_responses(404)})
def get_claims(query: ClaimsQuery) -> Response:
    """List the newest claims of workers: which documents were encoded together, and how fast."""
    if query.job is not None:
        services().records.job(query.job, issues=0)
    claims = services().records.claims(limit=query.limit, job_id=query.job)
    return answer(ClaimList(claims=[_with_times(dict(claim)) for claim in claims]))


@blueprint.get("/schemas/<schema_name>", responses={200: None, **problem_responses(404)})
def get_schema(path: SchemaPath) -> Response:
    """Return a published schema: `lamina.submit.v1.json`, `lamina.asyncapi.v1.json` and so on."""
    for file in files("shared.schemas").iterdir():
        if file.name == path.schema_name and file.name.endswith(".json"):
            kind = _ASYNCAPI if ".asyncapi." in file.name else "application/schema+json"
            return Response(file.read_text(encoding="utf-8"), content_type=kind)
    raise NotFound("No schema has this name.")


def _rebuilds(it: Services) -> list[RunningRebuild]:
    return [
        RunningRebuild.of_rebuild(one, it.collections.by_id(one.collection_id).name)
        for one in it.rebuilding.value()
    ]


def _active(chores: Chores) -> list[Chore]:
    newest = chores.chores(limit=_MOST_CHORES)
    return [one for one in newest if one.state is ChoreState.ACTIVE]


def _with_times(claim: dict[str, object]) -> dict[str, object]:
    """Write every `…_at` of a claim as the API writes times."""
    return {
        name: rfc3339(value) if name.endswith("_at") and isinstance(value, float) else value
        for name, value in claim.items()
    }
