"""What each route needs: one table, and the check of it before the view runs.

A route that is not in the table needs an admin key for everything, so that a forgotten line
closes a door instead of leaving it open; a test names the routes that are missing.

A collection that a key does not open is not there: its address answers 404 with the words that it
would answer for a name nobody took, and so do jobs and receipts of it. What a key may see but not
do is refused with 403, which says what is missing.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, TypeVar, cast

import structlog
from flask import Flask, g, request
from werkzeug.exceptions import Forbidden

from shared.domain import Caller, Scope
from shared.errors import CollectionNotFound, JobNotFound, ReceiptNotFound
from web.context import services

log = structlog.get_logger(__name__)

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Need:
    """What a key must be for, and where."""

    scope: Scope | None
    """None for nothing: the route shows nothing of the index."""
    unbound: bool = False
    """The key must not be bound to collections: what the route shows or does belongs to none."""
    act: str | None = None
    """What the record of administrative acts calls it; None where it is none."""


def search(*, unbound: bool = False) -> Need:
    """Return the need of a route that reads."""
    return Need(Scope.SEARCH, unbound=unbound)


def write(act: str | None = None) -> Need:
    """Return the need of a route that takes documents or work in."""
    return Need(Scope.WRITE, act=act)


def metrics() -> Need:
    """Return the need of a route that shows how the installation is, and nothing of the index."""
    return Need(Scope.METRICS, unbound=True)


def admin(act: str | None = None, *, unbound: bool = False) -> Need:
    """Return the need of a route that administers."""
    return Need(Scope.ADMIN, unbound=unbound, act=act)


OPEN = Need(None)

NEEDS: dict[str, Need] = {
    # No key at all: nothing of the index is shown.
    "static": OPEN,
    "health.get_livez": OPEN,
    "health.get_readyz": OPEN,
    "problem_pages.show": OPEN,
    "session.sign_in": OPEN,
    "session.post_sign_in": OPEN,
    # How the installation is.
    "metrics.get_metrics": metrics(),
    # Any key: the same for everybody.
    "session.sign_out": search(),
    "docs.show": search(),
    "docs.document": search(),
    "docs.swagger": search(),
    "system.get_schema": search(),
    "system.get_encoders": search(),
    "health.get_version": search(),
    "keys.get_whoami": search(),
    # Any key, which sees its own collections; a collection in the address must be one of them.
    "collections.get_collections": search(),
    "collections.get_collection": search(),
    "documents.get_documents": search(),
    "documents.get_document": search(),
    "jobs.get_jobs": search(),
    "jobs.get_job": search(),
    "jobs.get_job_why": search(),
    "events.get_job_events": search(),
    "events.get_events": search(),
    "why.get_why": search(),
    "receipts.get_receipts": search(),
    "search.get_search": search(),
    "search.post_search": search(),
    "system.get_status": search(),
    "versions.get_versions": search(),
    "versions.get_version": search(),
    "versions.get_diff": search(),
    "versions.post_compare": search(),
    "maps.get_map": search(),
    "maintenance.get_chores": search(),
    "maintenance.get_damages": search(),
    "home.index": search(),
    "home.search": search(),
    "compare.show": search(),
    "sample_pages.progress": search(),
    "job_pages.index": search(),
    "job_pages.show": search(),
    "job_pages.progress": search(),
    # Beside it, each part asked for needs what the route of that part needs.
    "live.notices": search(),
    "collection_pages.index": search(),
    "collection_pages.show": search(),
    "document_pages.index": search(),
    "document_pages.show": search(),
    "version_pages.index": search(),
    "version_pages.show": search(),
    "index_pages.show": search(),
    "map_pages.show": search(),
    "map_pages.progress": search(),
    "map_pages.points": search(),
    "map_pages.picture": search(),
    # A claim is of documents of several collections.
    "job_pages.batches": search(unbound=True),
    "system.get_claims": search(unbound=True),
    # Documents in, documents out.
    "documents.post_documents": write(),
    "documents.patch_document": write(),
    "documents.delete_documents": write("documents.delete"),
    "documents.delete_document": write(),
    "bulk.post_bulk": write(),
    "dead-letters.get_dead_letters": write(),
    "dead-letters.get_dead_letter": write(),
    "dead-letters.replay_dead_letters": write("dead-letters.replay"),
    "dead-letters.replay_dead_letter": write("dead-letters.replay"),
    "dead-letters.dismiss_dead_letters": write("dead-letters.dismiss"),
    "dead-letters.dismiss_dead_letter": write("dead-letters.dismiss"),
    "maps.post_map": write(),
    "jobs.post_job_cancel": write("job.cancel"),
    "jobs.post_job_retry": write("job.retry"),
    "job_pages.cancel": write("job.cancel"),
    "job_pages.retry_failed": write("job.retry"),
    "document_pages.delete": write(),
    "map_pages.draw": write(),
    "add.form": write(),
    "add.post": write(),
    "add.files": write(),
    "add.take_files": write(),
    "add.confirm_files": write(),
    "files.post_files": write(),
    "previews.post_preview": write(),
    "files.post_files_preview": write(),
    "files.get_original": search(),
    "document_pages.original": search(),
    "files.get_job_files": search(),
    # Rules, versions, and what cannot be undone.
    "collections.patch_collection": admin("collection.change"),
    "collections.delete_collection": admin("collection.delete"),
    "collections.post_rebuild": admin("collection.rebuild"),
    "collections.delete_rebuild": admin("collection.rebuild-cancel"),
    "collections.get_rebuild": search(),
    "collections.post_recover": admin("collection.recover"),
    "collections.get_deleted": search(),
    "aliases.get_aliases": search(),
    "webhooks.post_webhook": admin("webhook.create"),
    "webhooks.get_webhooks": admin(),
    "webhooks.get_webhook": admin(),
    "webhooks.patch_webhook": admin("webhook.change"),
    "webhooks.delete_webhook": admin("webhook.delete"),
    "webhooks.get_deliveries": admin(),
    "webhooks.replay_delivery": admin("webhook.replay"),
    "aliases.put_aliases": admin("aliases.set", unbound=True),
    "versions.put_tag": admin("tag.set"),
    "versions.delete_tag": admin("tag.delete"),
    "versions.post_restore": admin("collection.restore"),
    "version_pages.add_tag": admin("tag.set"),
    "version_pages.remove_tag": admin("tag.delete"),
    "version_pages.preview_restore": admin(),
    "version_pages.do_restore": admin("collection.restore"),
    "index_pages.configure": admin("collection.change"),
    "rebuild_pages.show": admin(),
    "rebuild_pages.progress": admin(),
    "rebuild_pages.begin": admin("collection.rebuild"),
    "rebuild_pages.again": admin("collection.rebuild"),
    "rebuild_pages.cancel": admin("collection.rebuild-cancel"),
    "setting_pages.show": admin(),
    "setting_pages.keep": admin("collection.change"),
    "setting_pages.rename": admin("collection.change"),
    "setting_pages.delete": admin("collection.delete"),
    "setting_pages.add_alias": admin("aliases.set", unbound=True),
    "setting_pages.remove_alias": admin("aliases.set", unbound=True),
    "collection_pages.recover": admin("collection.recover"),
    "webhook_pages.index": admin(),
    "webhook_pages.show": admin(),
    "webhook_pages.create": admin("webhook.create"),
    "webhook_pages.enable": admin("webhook.change"),
    "webhook_pages.delete": admin("webhook.delete"),
    "webhook_pages.replay": admin("webhook.replay"),
    "maintenance.post_garbage": admin("collection.garbage"),
    "maintenance.post_purge": admin("document.purge"),
    # What belongs to the installation.
    "collections.post_collection": admin("collection.create", unbound=True),
    "collection_pages.create": admin("collection.create", unbound=True),
    "keys.post_key": admin("key.create", unbound=True),
    "keys.get_keys": admin(unbound=True),
    "keys.get_key": admin(unbound=True),
    "keys.delete_key": admin("key.revoke", unbound=True),
    "audit.get_audit": admin(unbound=True),
    "samples.post_sample": admin("sample.load", unbound=True),
    "sample_pages.load": admin("sample.load", unbound=True),
    "sample_pages.remove": admin("collection.delete", unbound=True),
    "operation.overview": admin(unbound=True),
    "operation.now": admin(unbound=True),
    "operation.plots": admin(unbound=True),
    "operation.processes": admin(unbound=True),
    "operation.process_list": admin(unbound=True),
    "operation.letters": admin(unbound=True),
    "operation.letter": admin(unbound=True),
    "operation.raw_letter": admin(unbound=True),
    "operation.replay_letters": admin("dead-letters.replay", unbound=True),
    "operation.replay_letter": admin("dead-letters.replay", unbound=True),
    "operation.dismiss_letters": admin("dead-letters.dismiss", unbound=True),
    "operation.dismiss_letter": admin("dead-letters.dismiss", unbound=True),
    "operation.why": admin(unbound=True),
    "operation.health": admin(unbound=True),
    "operation.keys": admin(unbound=True),
    "operation.create": admin("key.create", unbound=True),
    "operation.revoke": admin("key.revoke", unbound=True),
    "operation.audit": admin(unbound=True),
}
_UNDECLARED = admin(unbound=True)


def register(app: Flask) -> None:
    """Check what a route needs before its view runs; tell templates what to offer."""
    app.before_request(_check)
    app.context_processor(_offers)


def need_of(endpoint: str | None) -> Need:
    """Return what a route needs."""
    return NEEDS.get(endpoint or "", _UNDECLARED)


def is_open(endpoint: str | None) -> bool:
    """Return whether a route needs no key."""
    return need_of(endpoint).scope is None


def caller() -> Caller:
    """Return who asks; only for views that need a key where one is needed at all."""
    return cast("Caller", g.caller)


def require(scope: Scope, collection: str) -> str:
    """Refuse whoever may not do this in *collection*, which a body or a form names.

    Return what to call it: keys are bound to names of collections, so an alias was looked up
    for them, and may lead elsewhere the next time.

    Raises:
        CollectionNotFound: the collection is not there for them.
        Forbidden: it is, but the key is not for this.
    """
    meant = collection if caller().sees(collection) else _behind_alias(collection)
    if not caller().sees(meant):
        raise CollectionNotFound(f"No collection is called {collection!r}.")
    if not caller().may(scope, meant):
        raise _forbidden(scope)
    return meant


def require_unbound() -> None:
    """Refuse a key that is bound to collections what belongs to none of them.

    Raises:
        Forbidden: the key is bound.
    """
    if not caller().unbound:
        raise Forbidden("The key is bound to collections, and this belongs to none of them.")


def _behind_alias(name: str) -> str:
    try:
        return services().collections.get(name).name
    except CollectionNotFound:
        return name


def require_receipts(key: str) -> None:
    """Refuse whoever may not see all that became of messages with an idempotency key.

    Raises:
        ReceiptNotFound: there is one that is not there for them, or, for a key that is bound to
            collections, none at all.
    """
    if caller().unbound:
        return
    entries = services().inbox.receipts(key)
    if not entries or not all(caller().sees(one.collection) for one in entries):
        raise ReceiptNotFound


def visible(items: Iterable[T], name: Callable[[T], str | None]) -> list[T]:
    """Return the items whose collection, as *name* tells it, is there for whoever asks."""
    return [one for one in items if caller().sees(name(one))]


def gathered(
    fetch: Callable[[str | None], Sequence[T]],
    *,
    wanted: str | None,
    order: Callable[[T], Any],
    limit: int,
) -> list[T]:
    """Return a list over all collections that are there for whoever asks.

    Args:
        fetch: returns the items of one collection, or of all (None), *limit* at most.
        wanted: the one collection asked for, if any.
        order: the key that items are sorted by, smallest first.
        limit: most items.

    Raises:
        CollectionNotFound: *wanted* is not there, or not for whoever asks.
    """
    bound = caller().collections
    if wanted is not None:
        return list(fetch(require(Scope.SEARCH, wanted)))
    if bound is None:
        return list(fetch(None))
    found: list[T] = []
    for name in sorted(bound):
        with suppress(CollectionNotFound):  # a key may name what is not there yet
            found += fetch(name)
    return sorted(found, key=order)[:limit]


def admit(endpoint: str | None, rule: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Let whoever asks in to a route, or refuse them.

    Args:
        endpoint: the route.
        rule: of its addresses, with the names of its arguments.
        arguments: what the address says for them.

    Returns:
        The arguments, with the collection's own name for an alias.

    Raises:
        CollectionNotFound, JobNotFound: it is not there for them.
        Forbidden: the key is not for this.
    """
    need, meant = need_of(endpoint), dict(arguments)
    if g.caller is None or need.scope is None:
        return meant
    if "/collections/<name>" in rule:
        meant["name"] = require(need.scope, arguments["name"])
    elif "job_id" in arguments and not caller().unbound:
        require(need.scope, _collection_of_job(arguments["job_id"]))
    elif not caller().may(need.scope):
        raise _forbidden(need.scope)
    if need.unbound:
        require_unbound()
    return meant


def _check() -> None:
    """Refuse whoever may not do what the route does.

    Raises:
        CollectionNotFound, JobNotFound, Forbidden
    """
    if request.routing_exception is not None:  # no such address, or a method it does not have
        return
    request.view_args = admit(request.endpoint, str(request.url_rule), request.view_args or {})


def _collection_of_job(job_id: str) -> str:
    """Return the collection of a job.

    Raises:
        JobNotFound: there is no such job, or not for whoever asks.
    """
    job = services().records.job(job_id, issues=0)
    if not caller().sees(job.collection):
        raise JobNotFound(f"There is no job {job.id!r}.")
    return job.collection


def _forbidden(scope: Scope) -> Forbidden:
    log.info("access.refused", key=caller().name, id=caller().key_id, route=request.endpoint)
    return Forbidden(f"The key is for {caller().scope.value}; this needs one for {scope.value}.")


def _offers() -> dict[str, object]:
    """Tell templates what to show: a button for what would be refused is none."""

    def may(scope: str, collection: str | None = None) -> bool:
        asking = g.get("caller")
        return asking is not None and asking.may(Scope(scope), collection)

    def may_everywhere(scope: str) -> bool:
        return may(scope) and caller().unbound

    return {"may": may, "may_everywhere": may_everywhere}
