"""What the pages of one collection share: its numbers in the head, and the way back to a tab."""

from http import HTTPStatus
from typing import Any

from flask import flash, redirect, render_template, url_for
from werkzeug.wrappers import Response

from shared.errors import LaminaError
from web.api.collections import find_stats

TABS = (
    ("collection_pages.show", "Overview", "search"),
    ("document_pages.index", "Documents", "search"),
    ("version_pages.index", "Versions", "search"),
    ("map_pages.show", "Map", "search"),
    ("index_pages.show", "Index", "search"),
    ("setting_pages.show", "Settings", "admin"),
)
"""Where each leads, what it says, and what a key must be for to see it."""


def render(template: str, name: str, **values: object) -> str:
    """Return a page of the collection called *name*.

    Raises:
        CollectionNotFound: there is none.
    """
    return render_template(template, one=find_stats(name), tabs=TABS, **values)


def back_to(endpoint: str, name: str, **values: Any) -> Response:
    """Lead a browser to a page of a collection after a form was sent."""
    return redirect(url_for(endpoint, name=name, **values), HTTPStatus.SEE_OTHER)


def say(error: LaminaError) -> None:
    """Tell on the next page what was refused."""
    flash(f"{error.title}. {error.detail}", "bad")
