"""The bar at the top of every page: where to go, and where one is."""

from dataclasses import dataclass

from flask import g, request, url_for

from shared.domain import Scope


@dataclass(frozen=True, slots=True)
class Area:
    """A part of the pages that the bar leads to."""

    words: str
    endpoint: str
    scope: Scope
    paths: tuple[str, ...]
    """What the addresses of its pages begin with."""
    unbound: bool = False
    """Whether the key must not be bound to collections."""


@dataclass(frozen=True, slots=True)
class Link:
    """An area as the bar shows it."""

    words: str
    url: str
    here: bool


_AREAS = (
    Area("Search", "home.index", Scope.SEARCH, ("/search", "/compare", "/sample")),
    Area("Add", "add.form", Scope.WRITE, ("/add",)),
    Area("Jobs", "job_pages.index", Scope.SEARCH, ("/jobs",)),
    Area("Collections", "collection_pages.index", Scope.SEARCH, ("/collections",)),
    Area("Operation", "operation.overview", Scope.ADMIN, ("/operation",), unbound=True),
    Area("API", "docs.show", Scope.SEARCH, ("/api",)),
)


def bar() -> dict[str, list[Link]]:
    """Tell templates where whoever asks may go."""
    caller = g.get("caller")
    return {
        "bar": [
            Link(one.words, url_for(one.endpoint), here=_here(one))
            for one in _AREAS
            if caller and caller.may(one.scope) and (caller.unbound or not one.unbound)
        ]
    }


def _here(area: Area) -> bool:
    path = request.path
    return path == url_for(area.endpoint) or any(
        path == one or path.startswith(f"{one}/") for one in area.paths
    )
