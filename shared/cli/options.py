"""Options that several commands have."""

from datetime import UTC, datetime
from typing import Annotated

import typer

InCollection = Annotated[str, typer.Option("--collection", "-c", help="Which collection.")]
MaxTokens = Annotated[
    int | None, typer.Option(min=8, help="Tokens of a passage; by default all that fit.")
]
Overlap = Annotated[int | None, typer.Option(min=0, help="Tokens that two passages share.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def rfc3339(moment: datetime | None) -> str | None:
    """Return a time of the command line, which is UTC, as the API takes it."""
    return None if moment is None else moment.replace(tzinfo=UTC).isoformat()
