"""Options that several commands have."""

from datetime import UTC, datetime
from typing import Annotated

import typer

InCollection = Annotated[str, typer.Option("--collection", "-c", help="Which collection.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def rfc3339(moment: datetime | None) -> str | None:
    """Return a time of the command line, which is UTC, as the API takes it."""
    return None if moment is None else moment.replace(tzinfo=UTC).isoformat()
