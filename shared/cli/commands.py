"""All commands by name."""

import typer

from shared.cli.adding import add
from shared.cli.collections import create_collection, list_collections
from shared.cli.evaluating import evaluate
from shared.cli.looking import jobs, rejections, status
from shared.cli.operating import broker_url, list_models, migrate, pull_model, up
from shared.cli.searching import search

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
    help="Create and list collections.", no_args_is_help=True, rich_markup_mode=None
)
_models = typer.Typer(
    help="Install and list encoders.", no_args_is_help=True, rich_markup_mode=None
)

app.command()(up)
app.command()(add)
app.command()(search)
app.add_typer(_collections, name="collections")
_collections.command("create")(create_collection)
_collections.command("list")(list_collections)
app.command()(status)
app.command()(jobs)
app.command()(rejections)
app.command("eval")(evaluate)
app.add_typer(_models, name="models")
_models.command("pull")(pull_model)
_models.command("list")(list_models)
app.command("broker-url")(broker_url)
app.command()(migrate)
