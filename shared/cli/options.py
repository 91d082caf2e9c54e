"""Options that several commands have."""

from typing import Annotated

import typer

InCollection = Annotated[str, typer.Option("--collection", "-c", help="Which collection.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
