"""`/keys` and `/whoami`: who may do what."""

from http import HTTPStatus

from flask import Response, url_for

from shared.access.making import create_key
from shared.errors import KeyNotFound
from web import record
from web.access import caller
from web.api.models.keys import KeyList, KeyPath, KeyShape, MadeKeyShape, NewKeyBody, WhoAmI
from web.api.routing import answer, make_blueprint, problem_responses
from web.context import services

blueprint = make_blueprint("keys", "API keys: who may do what.")


@blueprint.post("/keys", responses={201: MadeKeyShape, **problem_responses(400, 403)})
def post_key(body: NewKeyBody) -> Response:
    """Make a key. The answer shows it this once; only a hash of it is kept.

    Where there was no key yet, every request needs one from now on, within a second in every
    process.
    """
    it = services()
    made = create_key(
        it.keys, caller(), body.name, body.scope, collections=body.collections, days=body.days
    )
    it.keyring.forget()
    record.target(key=made.key.id, name=made.key.name, scope=made.key.scope.value)
    where = url_for("keys.get_key", key_id=made.key.id)
    shape = MadeKeyShape(key=made.text, details=KeyShape.of(made.key))
    return answer(shape, HTTPStatus.CREATED, {"Location": where})


@blueprint.get("/keys", responses={200: KeyList, **problem_responses(403)})
def get_keys() -> Response:
    """List every key that was ever made, newest first."""
    return answer(KeyList(keys=[KeyShape.of(one) for one in services().keys.made()]))


@blueprint.get("/keys/<key_id>", responses={200: KeyShape, **problem_responses(403, 404)})
def get_key(path: KeyPath) -> Response:
    """Show a key: what it is for and when it was last used, not the key itself."""
    key = services().keys.find(path.key_id)
    if key is None:
        raise KeyNotFound(f"There is no key {path.key_id!r}.")
    return answer(KeyShape.of(key))


@blueprint.delete("/keys/<key_id>", responses={200: KeyShape, **problem_responses(403, 404)})
def delete_key(path: KeyPath) -> Response:
    """Revoke a key, and end the sessions of the pages under it, within a second everywhere."""
    it = services()
    key = it.keys.revoke(path.key_id)
    it.keyring.forget()
    return answer(KeyShape.of(key))


@blueprint.get("/whoami", responses={200: WhoAmI})
def get_whoami() -> Response:
    """Say which key this request came with, and what it may do."""
    return answer(WhoAmI.of(caller()))
