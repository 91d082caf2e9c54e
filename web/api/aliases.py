"""`/aliases`: other names for collections, moved together."""

from flask import Response

from web.access import caller
from web.api.models.aliases import AliasChanges, AliasList
from web.api.routing import answer, make_blueprint, problem_responses
from web.context import services

blueprint = make_blueprint("aliases", "Other names for collections.")


@blueprint.get("/aliases", responses={200: AliasList})
def get_aliases() -> Response:
    """List the aliases of the collections that the key opens, by name."""
    return answer(_visible())


@blueprint.put("/aliases", responses={200: AliasList, **problem_responses(400, 404, 409)})
def put_aliases(body: AliasChanges) -> Response:
    """Make, move and remove aliases, all at once or none of them.

    Whatever names a collection may name an alias, to search it and to hand documents in. So a new
    collection can be filled beside the old one, and take its place between two requests.
    """
    services().names.point(body.aliases)
    return answer(_visible())


def _visible() -> AliasList:
    found = services().names.aliases()
    return AliasList(aliases={one: name for one, name in found.items() if caller().sees(name)})
