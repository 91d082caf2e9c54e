"""`/collections/<name>/versions`: the timeline; name, compare and restore what was."""

from collections.abc import Sequence
from dataclasses import dataclass
from http import HTTPStatus

from flask import Blueprint, flash, request
from flask.typing import ResponseReturnValue
from pydantic import TypeAdapter, ValidationError
from werkzeug.wrappers import Response

from shared.domain import VersionDiff, VersionReport
from shared.errors import (
    CorruptFile,
    InvalidRequest,
    LaminaError,
    NotFound,
    Retryable,
    VersionExpired,
    VersionNotFound,
)
from shared.services import open_shelf
from shared.versions.restoring import preview, restore
from shared.versions.shelf import Shelf, describe, diff, tag, untag
from web.api.models.base import VersionRef
from web.context import services
from web.pages.collection_frame import back_to, render, say
from web.pages.forms import whole_number
from web.pages.indexes import layers_of
from web.pages.timeline import timeline

blueprint = Blueprint("version_pages", __name__)

_LISTED = 50
_DRAWN = 200
_EXAMPLES = 20
_REF: TypeAdapter[str] = TypeAdapter(VersionRef)


@dataclass(frozen=True, slots=True)
class Listed:
    """A version in the list, beside the one before it in the list."""

    version: VersionReport
    grown: int | None
    """Documents more than in the one before; None where that is not listed."""


@blueprint.get("/collections/<name>/versions")
def index(name: str) -> str:
    """Show the timeline, and the versions newest first."""
    everything = request.args.get("all") == "yes"
    before = whole_number(request.args, "before", None)
    records = services().records
    found = records.versions(
        name, limit=_LISTED + 1, before=before, content_only=not everything, kept_only=True
    )
    drawn = records.versions(name, limit=_DRAWN, content_only=not everything, kept_only=True)
    return render(
        "collection/versions.html",
        name,
        timeline=timeline(drawn),
        versions=_listed(found),
        next_before=found[_LISTED - 1].version if len(found) > _LISTED else None,
        everything=everything,
        newest_page=before is None,
        drawn=len(drawn),
        most_drawn=_DRAWN,
    )


@blueprint.get("/collections/<name>/versions/<ref>")
def show(name: str, ref: str) -> str:
    """Describe one version: what it brought, its segments, its tags."""
    found = describe(_shelf(), name, _checked(ref))
    earlier = _kept_before(name, found.report)
    brought = None
    if earlier is not None and not found.report.expired:
        brought = diff(_shelf(), name, str(earlier), str(found.report.version), limit=_EXAMPLES)
    return render(
        "collection/version.html",
        name,
        version=found.report,
        found=found,
        brought=brought,
        layers=layers_of(found.segments),
    )


@blueprint.post("/collections/<name>/versions/<ref>/tags")
def add_tag(name: str, ref: str) -> Response:
    """Name a version."""
    wanted = request.form.get("tag", "").strip()
    try:
        report = tag(_shelf(), name, _checked(ref), wanted)
        flash(
            f"Version {report.version} is called {wanted} now, and stays until it is not.", "good"
        )
    except (InvalidRequest, NotFound, VersionExpired) as error:
        say(error)
    return back_to("version_pages.show", name, ref=ref)


@blueprint.post("/collections/<name>/tags/<tag_name>/remove")
def remove_tag(name: str, tag_name: str) -> Response:
    """Take a tag away."""
    try:
        untag(_shelf(), name, tag_name)
        flash(f"{tag_name} names no version any more.", "good")
    except NotFound as error:
        say(error)
    ref = request.form.get("version", "head")
    return back_to("version_pages.show", name, ref=ref if ref.isdecimal() else "head")


@blueprint.get("/collections/<name>/versions/<ref>/restore")
def preview_restore(name: str, ref: str) -> ResponseReturnValue:
    """Show what a restore would change, and ask."""
    change: VersionDiff | None = None
    obstacle: LaminaError | None = None
    status = HTTPStatus.OK
    try:
        change = preview(_shelf(), name, _checked(ref), limit=_EXAMPLES)
    except (CorruptFile, InvalidRequest, VersionExpired) as error:
        obstacle, status = error, HTTPStatus.CONFLICT
    page = render("collection/restore.html", name, ref=ref, change=change, obstacle=obstacle)
    return page, status


@blueprint.post("/collections/<name>/versions/<ref>/restore")
def do_restore(name: str, ref: str) -> Response:
    """Make a version the newest again, if whoever asks said that they have seen what changes."""
    if request.form.get("sure") != "yes":
        flash("Tick the box to say that you have seen what changes.", "bad")
        return back_to("version_pages.preview_restore", name, ref=ref)
    try:
        done = restore(_shelf(), name, _checked(ref))
    except (CorruptFile, InvalidRequest, VersionExpired, Retryable) as error:
        say(error)
        return back_to("version_pages.preview_restore", name, ref=ref)
    if done.unchanged:
        flash(f"Nothing to do: the newest version says what {done.restored} does.", "note")
    else:
        flash(f"Version {done.head.version} is version {done.restored} again.", "good")
    return back_to("version_pages.index", name)


def _checked(ref: str) -> str:
    """Return a reference to a version, as the API takes it.

    Raises:
        VersionNotFound: nothing can be called so.
    """
    try:
        return _REF.validate_python(ref)
    except ValidationError as error:
        raise VersionNotFound(f"No version can be called {ref!r}.") from error


def _kept_before(name: str, version: VersionReport) -> int | None:
    """Return the newest kept version with other content before one; None if there is none."""
    found = services().records.versions(
        name, limit=1, before=version.version, content_only=True, kept_only=True
    )
    return found[0].version if found else None


def _listed(found: Sequence[VersionReport]) -> list[Listed]:
    pairs = zip(found, [*found[1:], None], strict=True)
    return [
        Listed(one, None if before is None else one.documents - before.documents)
        for one, before in pairs
    ][:_LISTED]


def _shelf() -> Shelf:
    return open_shelf(services())
