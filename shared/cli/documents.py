"""`lamina documents`: list them, show one, change its metadata, delete some."""

import json as jsonlib
from collections.abc import Iterator
from typing import Annotated

import typer

from shared.cli import configuration
from shared.cli.options import AsJson, InCollection
from shared.cli.terminal import (
    Exit,
    Failure,
    answer,
    answer_json,
    answer_table,
    confirm,
    failures,
)
from shared.client import Client
from shared.client.replies import Body, DocumentLineReply, DocumentReply
from shared.domain import State
from shared.words import counted

_PAGE = 1000  # the most that one request takes

Id = Annotated[str, typer.Argument(metavar="ID", help="The document's id.")]


def list_documents(
    collection: InCollection = "default",
    *,
    status: Annotated[State | None, typer.Option(help="Only these.")] = None,
    warnings: Annotated[bool, typer.Option("--warnings", help="Only those with one.")] = False,
    prefix: Annotated[str | None, typer.Option(help="What the id begins with.")] = None,
    filter_: Annotated[
        str | None, typer.Option("--filter", "-f", help="Only where the metadata match.")
    ] = None,
    version: Annotated[
        str | None, typer.Option(help="As a version holds them, by number or tag.")
    ] = None,
    limit: Annotated[int, typer.Option(min=1, help="How many, in the order of ids.")] = 50,
    json: AsJson = False,
) -> None:
    r"""List documents in the order of their ids, without their texts.

    \b
    lamina documents list -c papers --status failed
    lamina documents list -c papers --filter 'year >= 2020 and lang = "en"'
    lamina documents list -c papers --version before-import --limit 1000 --json
    """
    asked: Body = {"status": status.value if status else None, "prefix": prefix}
    asked |= {"filter": filter_, "version": version, "warnings": "true" if warnings else None}
    which = {name: value for name, value in asked.items() if value is not None}
    with failures(), configuration.connect() as client:
        found = list(_read(client, collection, which, limit))
        if json:
            answer_json(found)
            return
        columns = ("id", "status", "title", "characters", "version", "accepted", "told")
        answer_table(columns, [_row(one) for one in found])


def show_document(
    document: Id, collection: InCollection = "default", *, json: AsJson = False
) -> None:
    r"""Show the newest revision of a document, its passages and where it stands.

    \b
    lamina documents show a1 -c papers
    """
    with failures(), configuration.connect() as client:
        found = client.document(collection, document)
        if json:
            answer_json(found)
        else:
            _print_document(found)


def set_document(
    document: Id,
    changes: Annotated[
        str, typer.Argument(metavar="METADATA", help="A JSON object; null takes a name away.")
    ],
    collection: InCollection = "default",
    *,
    json: AsJson = False,
) -> None:
    r"""Change metadata of a document (RFC 7396); its text is not encoded again.

    \b
    lamina documents set a1 '{"year": 2026, "draft": null}' -c papers
    """
    with failures(), configuration.connect() as client:
        done = client.change_document(collection, document, {"metadata": _object(changes)})
        if json:
            answer_json(done)
        else:
            answer(f"job {done['job']['id']}")


def delete_documents(
    ids: Annotated[
        list[str] | None, typer.Argument(metavar="[ID]...", help="Which; or say it by --filter.")
    ] = None,
    collection: InCollection = "default",
    *,
    filter_: Annotated[
        str | None, typer.Option("--filter", "-f", help="All whose metadata match.")
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only count what a filter matches.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    json: AsJson = False,
) -> None:
    r"""Delete documents; they leave the next version, and older ones keep them (see purge).

    \b
    lamina documents delete a1 a2 -c papers
    lamina documents delete -c papers --filter 'year < 2000' --dry-run
    """
    if bool(ids) == bool(filter_):
        raise typer.BadParameter("Say which documents: either ids or --filter.")
    if dry_run and ids:
        raise typer.BadParameter("--dry-run goes with --filter, not with ids.")
    which: Body = {"ids": ids} if ids else {"filter": filter_}
    with failures(), configuration.connect() as client:
        if filter_:
            counted_first = client.delete_documents(collection, which | {"dry_run": True})
            if dry_run:
                _tell(counted_first, json=json)
                return
            number = counted(counted_first["matched"], "document")
            confirm(
                f"Delete {number} of {collection}?",
                yes=yes,
                otherwise=f"Nothing was deleted: {number} would be, so --yes is needed.",
            )
        _tell(client.delete_documents(collection, which), json=json)


def _object(text: str) -> Body:
    try:
        found = jsonlib.loads(text)
    except ValueError as error:
        raise Failure(f"METADATA is no JSON: {error}.", Exit.USAGE) from error
    if not isinstance(found, dict):
        raise Failure('METADATA must be a JSON object such as {"year": 2026}.', Exit.USAGE)
    return found


def _tell(done: Body, *, json: bool) -> None:
    if json:
        answer_json(done)
    elif done["dry_run"]:
        answer(f"{counted(done['matched'], 'document')} in version {done['version']} would go")
    else:
        answer(f"job {done['job']['id']}")


def _read(client: Client, collection: str, which: Body, limit: int) -> Iterator[DocumentLineReply]:
    """Yield at most *limit* documents, page by page."""
    cursor = None
    while limit > 0:
        asked = which | ({"cursor": cursor} if cursor else {})
        page = client.documents(collection, asked | {"limit": min(limit, _PAGE)})
        yield from page["documents"]
        limit -= len(page["documents"])
        cursor = page["next_cursor"]
        if cursor is None:
            return


def _row(one: DocumentLineReply) -> tuple[object, ...]:
    told = one["error"] or "; ".join(one["warnings"])
    return (
        one["id"],
        one["status"],
        one["title"],
        one["characters"],
        one["version"],
        one["accepted_at"],
        told,
    )


def _print_document(one: DocumentReply) -> None:
    answer(f"{one['id']}  {one['status']}  revision {one['revision']}")
    for stage, when in one["stages"].items():
        answer(f"  {stage:<16} {when or '-'}")
    if one["version"] is not None:
        answer(f"  {'version':<16} {one['version']}")
    if one["error"]:
        answer(f"  error: {one['error']}")
    for warning in one["warnings"]:
        answer(f"  warning: {warning}")
    answer(f"\n{one['title']}\n\n{one['text']}".rstrip())
    answer(f"\nmetadata: {one['metadata']}")
    answer(f"{counted(len(one['chunks']), 'passage')} in the index")
