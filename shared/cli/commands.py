"""All commands by name."""

import inspect
from collections.abc import Callable

import typer

from shared.cli.adding import add
from shared.cli.aliases import list_aliases, set_aliases
from shared.cli.asking import show_receipts, why
from shared.cli.auditing import audit
from shared.cli.backing import check_backup, load_backup, save_backup
from shared.cli.checking import fsck
from shared.cli.collections import (
    create_collection,
    list_collections,
    set_collection,
    show_collection,
)
from shared.cli.dead import dismiss_dead, list_dead, replay_dead, show_dead
from shared.cli.discarding import (
    delete_collection,
    list_deleted,
    recover_collection,
    rename_collection,
)
from shared.cli.doctor.command import doctor
from shared.cli.documents import (
    delete_documents,
    list_documents,
    set_document,
    show_document,
)
from shared.cli.evaluating import evaluate
from shared.cli.events import watch_events
from shared.cli.exporting import export
from shared.cli.files import list_files, preview_files, save_original
from shared.cli.importing import import_
from shared.cli.jobs import (
    JobsGroup,
    cancel_job,
    list_batches,
    list_jobs,
    retry_job,
    show_job,
)
from shared.cli.keys import create_key, list_keys, revoke_key, show_key, show_own_key
from shared.cli.looking import status
from shared.cli.maintaining import collect_garbage, purge
from shared.cli.mapping import draw_map
from shared.cli.operating import broker_url, list_models, migrate, pull_model, up
from shared.cli.rebuilding import rebuild_collection
from shared.cli.sampling import sample
from shared.cli.searching import search
from shared.cli.top.command import top
from shared.cli.versions import (
    diff_versions,
    list_versions,
    restore_version,
    show_version,
    tag_version,
    untag_version,
)
from shared.cli.webhooks import (
    create_webhook,
    delete_webhook,
    list_deliveries,
    list_webhooks,
    replay_delivery,
    set_webhook,
)

_ABOUT = """Lamina, a self-hosted semantic index.

Without a command, ./run starts everything. Settings are environment variables or lines of
.env; LAMINA_URL says where Lamina is, when not on this machine's LAMINA_PORT.

Exit codes of every command: 0 all went well, 1 documents or work failed, 2 wrong usage or bad
input, 3 Lamina cannot be reached or is busy.
"""

app = typer.Typer(
    name="lamina",
    help=_ABOUT,
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)
_collections = typer.Typer(
    help="Create, list, show, change, delete and recover collections.",
    no_args_is_help=True,
    rich_markup_mode=None,
)
_documents = typer.Typer(
    help="List, show, change and delete documents.",
    no_args_is_help=True,
    rich_markup_mode=None,
)
_files = typer.Typer(
    help="List the files of a job, look at files first, have originals back.",
    no_args_is_help=True,
    rich_markup_mode=None,
)
_versions = typer.Typer(
    help="List, name, compare and restore versions.", no_args_is_help=True, rich_markup_mode=None
)
_aliases = typer.Typer(
    help="Other names for collections.", no_args_is_help=True, rich_markup_mode=None
)
_webhooks = typer.Typer(
    help="Have other programs told what happens.", no_args_is_help=True, rich_markup_mode=None
)
_jobs = typer.Typer(cls=JobsGroup, invoke_without_command=True, rich_markup_mode=None)
_keys = typer.Typer(
    help="Make, list and revoke API keys.", no_args_is_help=True, rich_markup_mode=None
)
_dead = typer.Typer(
    help="List, show, replay and dismiss what failed or was refused.",
    no_args_is_help=True,
    rich_markup_mode=None,
)
_models = typer.Typer(
    help="Install and list encoders.", no_args_is_help=True, rich_markup_mode=None
)
_backups = typer.Typer(
    help="Save, check and load a whole installation.", no_args_is_help=True, rich_markup_mode=None
)


def _add(group: typer.Typer, command: Callable[..., None], name: str | None = None) -> None:
    r"""Add a command whose docstring is its help: lines after a `\b` stay lines."""
    group.command(name, help=_help(command))(command)


def _help(command: Callable[..., None]) -> str:
    return (inspect.getdoc(command) or "").replace("\\b\n", "\b\n")


_add(app, up)
_add(app, add)
_add(app, search)
_add(app, sample)
app.add_typer(_collections, name="collections")
_add(_collections, create_collection, "create")
_add(_collections, list_collections, "list")
_add(_collections, show_collection, "show")
_add(_collections, set_collection, "set")
_add(_collections, rebuild_collection, "rebuild")
_add(_collections, rename_collection, "rename")
_add(_collections, delete_collection, "delete")
_add(_collections, list_deleted, "deleted")
_add(_collections, recover_collection, "recover")
app.add_typer(_aliases, name="aliases")
_add(_aliases, list_aliases, "list")
_add(_aliases, set_aliases, "set")
app.add_typer(_documents, name="documents")
_add(_documents, list_documents, "list")
_add(_documents, show_document, "show")
_add(_documents, set_document, "set")
_add(_documents, delete_documents, "delete")
app.add_typer(_files, name="files")
_add(_files, list_files, "list")
_add(_files, preview_files, "preview")
_add(_files, save_original, "original")
app.add_typer(_versions, name="versions")
_add(_versions, list_versions, "list")
_add(_versions, show_version, "show")
_add(_versions, tag_version, "tag")
_add(_versions, untag_version, "untag")
_add(_versions, diff_versions, "diff")
_add(_versions, restore_version, "restore")
_add(app, status)
_add(app, top)
app.add_typer(_jobs, name="jobs")
_jobs.callback(help=_help(list_jobs))(list_jobs)
_add(_jobs, show_job, "show")
_add(_jobs, cancel_job, "cancel")
_add(_jobs, retry_job, "retry")
_add(_jobs, list_batches, "batches")
_add(app, draw_map, "map")
_add(app, why)
_add(app, show_receipts, "receipts")
_add(app, watch_events, "events")
app.add_typer(_webhooks, name="webhooks")
_add(_webhooks, create_webhook, "create")
_add(_webhooks, list_webhooks, "list")
_add(_webhooks, set_webhook, "set")
_add(_webhooks, delete_webhook, "delete")
_add(_webhooks, list_deliveries, "deliveries")
_add(_webhooks, replay_delivery, "replay")
app.add_typer(_dead, name="dead")
_add(_dead, list_dead, "list")
_add(_dead, show_dead, "show")
_add(_dead, replay_dead, "replay")
_add(_dead, dismiss_dead, "dismiss")
_add(app, collect_garbage, "gc")
_add(app, purge)
_add(app, fsck)
_add(app, export)
_add(app, import_, "import")
app.add_typer(_backups, name="backup")
_add(_backups, save_backup, "save")
_add(_backups, check_backup, "check")
_add(_backups, load_backup, "load")
_add(app, evaluate, "eval")
app.add_typer(_models, name="models")
_add(_models, pull_model, "pull")
_add(_models, list_models, "list")
app.add_typer(_keys, name="keys")
_add(_keys, create_key, "create")
_add(_keys, list_keys, "list")
_add(_keys, show_key, "show")
_add(_keys, show_own_key, "whoami")
_add(_keys, revoke_key, "revoke")
_add(app, audit)
_add(app, doctor)
_add(app, broker_url, "broker-url")
_add(app, migrate)
