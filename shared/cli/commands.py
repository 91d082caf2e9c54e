"""All commands by name."""

import typer

from shared.cli.adding import add
from shared.cli.backing import check_backup, load_backup, save_backup
from shared.cli.checking import fsck
from shared.cli.collections import (
    create_collection,
    list_collections,
    set_collection,
    show_collection,
)
from shared.cli.evaluating import evaluate
from shared.cli.exporting import export
from shared.cli.importing import import_
from shared.cli.looking import jobs, rejections, status
from shared.cli.maintaining import collect_garbage, purge
from shared.cli.operating import broker_url, list_models, migrate, pull_model, up
from shared.cli.searching import search
from shared.cli.versions import (
    diff_versions,
    list_versions,
    restore_version,
    show_version,
    tag_version,
    untag_version,
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
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)
_collections = typer.Typer(
    help="Create, list, show and change collections.",
    no_args_is_help=True,
    rich_markup_mode=None,
)
_versions = typer.Typer(
    help="List, name, compare and restore versions.", no_args_is_help=True, rich_markup_mode=None
)
_models = typer.Typer(
    help="Install and list encoders.", no_args_is_help=True, rich_markup_mode=None
)
_backups = typer.Typer(
    help="Save, check and load a whole installation.", no_args_is_help=True, rich_markup_mode=None
)

app.command()(up)
app.command()(add)
app.command()(search)
app.add_typer(_collections, name="collections")
_collections.command("create")(create_collection)
_collections.command("list")(list_collections)
_collections.command("show")(show_collection)
_collections.command("set")(set_collection)
app.add_typer(_versions, name="versions")
_versions.command("list")(list_versions)
_versions.command("show")(show_version)
_versions.command("tag")(tag_version)
_versions.command("untag")(untag_version)
_versions.command("diff")(diff_versions)
_versions.command("restore")(restore_version)
app.command()(status)
app.command()(jobs)
app.command()(rejections)
app.command("gc")(collect_garbage)
app.command()(purge)
app.command()(fsck)
app.command()(export)
app.command("import")(import_)
app.add_typer(_backups, name="backup")
_backups.command("save")(save_backup)
_backups.command("check")(check_backup)
_backups.command("load")(load_backup)
app.command("eval")(evaluate)
app.add_typer(_models, name="models")
_models.command("pull")(pull_model)
_models.command("list")(list_models)
app.command("broker-url")(broker_url)
app.command()(migrate)
