"""The operator's `lamina keys`: they open the catalog, so they need no key and no server."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

from shared.cli import configuration
from shared.cli.options import AsJson
from shared.cli.terminal import Exit, Failure, answer, answer_json, answer_table, failures, say
from shared.domain import LOCAL, ApiKey, Scope, rfc3339

if TYPE_CHECKING:
    from shared.services import Services

# What these commands work with takes a second and more to import; see `shared/cli/operating.py`.
# ruff: noqa: PLC0415

_DAY_SECONDS = 86_400.0
_KeyId = Annotated[str, typer.Argument(metavar="ID", help="The 12 digits after `lamina_`.")]


def create_key(
    name: Annotated[str, typer.Argument(help="What it is for.")] = "admin",
    *,
    scope: Annotated[
        Scope, typer.Option(help="What it may do; each includes those before it.")
    ] = Scope.SEARCH,
    admin: Annotated[bool, typer.Option("--admin", help="Short for --scope admin.")] = False,
    collection: Annotated[
        list[str] | None, typer.Option("--collection", "-c", help="Only these; else all.")
    ] = None,
    days: Annotated[float | None, typer.Option(help="How long it lives; else for ever.")] = None,
    json: AsJson = False,
) -> None:
    r"""Make a key and print it, this once.

    From the first key on, every request to this Lamina needs one, within a second.

    \b
    lamina keys create --admin
    lamina keys create website --scope search -c papers --days 365
    """
    from shared.access.making import create_key as make
    from shared.access.recording import recorded

    with failures(), _services() as services:
        kept_seconds = services.settings.access.audit_days * _DAY_SECONDS
        with recorded(services.audit, "key.create", {}, kept_seconds=kept_seconds) as known:
            made = make(
                services.keys,
                LOCAL,
                name,
                Scope.ADMIN if admin else scope,
                collections=collection or None,
                days=days,
            )
            known |= {"key": made.key.id, "name": made.key.name, "scope": made.key.scope.value}
        if json:
            answer_json({"key": made.text, "details": _described(made.key)})
        else:
            say(f"{_in_words(made.key)}. It is shown this once:")
            answer(made.text)


def list_keys(*, json: AsJson = False) -> None:
    r"""List every key that was ever made, newest first.

    \b
    lamina keys list
    """
    with failures(), _services() as services:
        keys = services.keys.made()
        if json:
            answer_json([_described(one) for one in keys])
        else:
            answer_table(
                ("id", "name", "scope", "collections", "status", "created", "last used"),
                [
                    (
                        one.id,
                        one.name,
                        one.scope.value,
                        _collections(one),
                        one.status.value,
                        rfc3339(one.created_at),
                        _time(one.last_used_at),
                    )
                    for one in keys
                ],
            )


def show_key(key_id: _KeyId, *, json: AsJson = False) -> None:
    r"""Show what a key is for and when it was last used.

    \b
    lamina keys show 3f9a0c51d2e7
    """
    with failures(), _services() as services:
        key = services.keys.find(key_id)
        if key is None:
            raise Failure(f"There is no key {key_id!r}.", Exit.USAGE)
        if json:
            answer_json(_described(key))
            return
        for name, value in _described(key).items():
            answer(f"{name:<13} {'-' if value is None else value}")


def show_own_key(*, json: AsJson = False) -> None:
    r"""Ask the server whose key these commands bring (LAMINA_API_KEY), and what it may do.

    \b
    lamina keys whoami
    """
    with failures(), configuration.connect() as client:
        found = client.whoami()
    if json:
        answer_json(found)
    else:
        where = ", ".join(found["collections"] or ()) or "all collections"
        answer(f"{found['name']}: {found['scope']}, {where}")


def revoke_key(key_id: _KeyId, *, json: AsJson = False) -> None:
    r"""End a key, and the sessions under it, within a second in every process.

    Revoking the last one opens nothing: make another with `lamina keys create`.

    \b
    lamina keys revoke 3f9a0c51d2e7
    """
    from shared.access.recording import recorded

    with failures(), _services() as services:
        kept_seconds = services.settings.access.audit_days * _DAY_SECONDS
        target = {"key": key_id}
        with recorded(services.audit, "key.revoke", target, kept_seconds=kept_seconds):
            key = services.keys.revoke(key_id)
        if json:
            answer_json(_described(key))
        else:
            answer(f"{key.name} ({key.id}) is revoked.")


@contextmanager
def _services() -> "Iterator[Services]":
    from shared.services import open_services

    services = open_services(configuration.load())
    try:
        services.database.migrate()
        yield services
    finally:
        services.close()


def _described(key: ApiKey) -> dict[str, object]:
    return {
        "id": key.id,
        "name": key.name,
        "scope": key.scope.value,
        "collections": None if key.collections is None else list(key.collections),
        "status": key.status.value,
        "created_at": rfc3339(key.created_at),
        "created_by": key.created_by,
        "expires_at": _time(key.expires_at),
        "last_used_at": _time(key.last_used_at),
        "revoked_at": _time(key.revoked_at),
    }


def _in_words(key: ApiKey) -> str:
    until = "" if key.expires_at is None else f", until {rfc3339(key.expires_at)}"
    return f"Key {key.name!r}: {key.scope.value} in {_collections(key)}{until}"


def _collections(key: ApiKey) -> str:
    return "all collections" if key.collections is None else ", ".join(key.collections)


def _time(seconds: float | None) -> str | None:
    return None if seconds is None else rfc3339(seconds)
