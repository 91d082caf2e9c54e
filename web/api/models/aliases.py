"""Aliases of collections."""

from typing import Annotated

from pydantic import Field

from web.api.models.base import Question, Shape, Text

Name = Annotated[Text, Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,62}$")]
"""What can name a collection or an alias."""

_MOST = 1000


class AliasChanges(Question):
    """Aliases to make, move or remove; those not named stay as they are."""

    aliases: dict[Name, Name | None] = Field(min_length=1, max_length=_MOST)
    """The collection that each shall lead to; null removes it."""


class AliasList(Shape):
    """Every alias that the key opens."""

    aliases: dict[str, str]
    """The collection that each leads to."""
