"""Aliases of collections."""

from pydantic import Field

from web.api.models.base import CollectionName, Question, Shape

_MOST = 1000


class AliasChanges(Question):
    """Aliases to make, move or remove; those not named stay as they are."""

    aliases: dict[CollectionName, CollectionName | None] = Field(min_length=1, max_length=_MOST)
    """The collection that each shall lead to; null removes it."""


class AliasList(Shape):
    """Every alias that the key opens."""

    aliases: dict[str, str]
    """The collection that each leads to."""
