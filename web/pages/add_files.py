"""`/add/files`: bring files; see of each what it becomes, or why it cannot be taken."""

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from http import HTTPStatus

from flask import redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from shared import failpoints
from shared.domain import (
    Columns,
    FileKind,
    NewUpload,
    Scope,
    Submission,
    UploadReport,
)
from shared.errors import (
    CollectionNotFound,
    InvalidRequest,
    OutOfSpace,
    Overloaded,
)
from shared.services import open_depot
from shared.uploads.previewing import FilePreview
from shared.uploads.receiving import Verdict, check_room, confirm, receive, remember
from web import previews
from web.access import require, visible
from web.arrivals import judged
from web.context import services
from web.pages.add import blueprint, in_words, refusal
from web.pages.forms import preselected

__all__ = ["blueprint"]

SOURCE = "form"
_LOOK = "look"


@dataclass(frozen=True, slots=True, kw_only=True)
class Card:
    """A file on the page where it is looked at."""

    verdict: Verdict
    preview: FilePreview | None
    upload_id: str = ""
    """Under what its columns are sent back; empty where it is not kept."""
    unseen: str = ""
    """Why there is no preview of a file that can be taken."""

    @property
    def kind(self) -> FileKind | None:
        """What it is, as far as it was looked into."""
        return self.preview.reading.kind if self.preview else self.verdict.kind

    @property
    def refused(self) -> bool:
        """Whether it cannot be taken, or nothing could be read out of it."""
        return self.verdict.upload is None or self.verdict.fault is not None

    @property
    def columns(self) -> Columns:
        """What its columns are taken for."""
        return (self.preview.reading.columns if self.preview else None) or Columns()

    @property
    def names(self) -> tuple[str, ...]:
        """Of its columns; empty if it is no table."""
        return self.preview.reading.names if self.preview else ()


@blueprint.get("/add/files")
def files() -> ResponseReturnValue:
    """Show the form with the area to drop files on."""
    return _form(request.args.get("collection", ""))


@blueprint.post("/add/files")
def take_files() -> ResponseReturnValue:
    """Look at the files that came, or add them at once and show their job."""
    wanted = request.form.get("collection", "")
    try:
        return _take(require(Scope.WRITE, wanted))
    except CollectionNotFound as error:
        return _form(wanted, {"collection": error.detail}), HTTPStatus.UNPROCESSABLE_ENTITY
    except InvalidRequest as error:
        return _form(wanted, {"files": error.detail}), HTTPStatus.UNPROCESSABLE_ENTITY
    except (OutOfSpace, Overloaded) as error:
        return _form(wanted, {"": in_words(error)}), *refusal(error)


def _take(name: str) -> ResponseReturnValue:
    depot, verdicts = judged(name, Columns())
    if request.form.get("do") == _LOOK:
        check_room(depot, _submission(name).lane)
        draft = secrets.token_urlsafe(16)
        remember(depot, name, draft, verdicts)
        return _review(name, draft, [one for one in verdicts if one.upload is None], {})
    if not any(one.upload for one in verdicts):
        return _refused(name, verdicts), HTTPStatus.UNPROCESSABLE_ENTITY
    receipt = receive(depot, verdicts, _submission(name))
    failpoints.reach("web.accepted")
    if all(one.upload for one in verdicts):
        return _to(receipt.job_id)
    return _refused(name, verdicts, receipt.job_id), HTTPStatus.ACCEPTED


@blueprint.post("/add/files/<draft>")
def confirm_files(draft: str) -> ResponseReturnValue:
    """Add files that were looked at, or look again with other columns."""
    wanted = request.form.get("collection", "")
    try:
        name = require(Scope.WRITE, wanted)
        it = services()
        columns = _mapped(it.uploads.drafted(name, draft))
        if request.form.get("do") == _LOOK:
            return _review(name, draft, (), columns)
        receipt = confirm(open_depot(it), _submission(name), draft, columns)
    except CollectionNotFound as error:
        return _form(wanted, {"collection": error.detail}), HTTPStatus.UNPROCESSABLE_ENTITY
    except (OutOfSpace, Overloaded) as error:
        return _form(wanted, {"": in_words(error)}), *refusal(error)
    if receipt is None:
        return _form(wanted, {"": _GONE}), HTTPStatus.GONE
    return _to(receipt.job_id)


_GONE = (
    "These files were added already, or were kept only for some hours and are gone. Choose them "
    "again."
)


def _submission(name: str) -> Submission:
    return Submission(collection=name, source=SOURCE, documents=())


def _mapped(drafted: Sequence[tuple[UploadReport, NewUpload]]) -> Mapping[str, Columns]:
    """Return which columns the form names for each table, by the id of its upload."""
    columns = {}
    for report, _ in drafted:
        upload_id = report.id
        if f"{upload_id}-id" not in request.form:
            continue
        columns[upload_id] = Columns(
            id=request.form.get(f"{upload_id}-id", ""),
            title=request.form.get(f"{upload_id}-title", ""),
            text=tuple(request.form.getlist(f"{upload_id}-text")),
        )
    return columns


def _review(
    name: str, draft: str, refused: Sequence[Verdict], columns: Mapping[str, Columns]
) -> ResponseReturnValue:
    """Show what the files of a draft will become, and those that were refused."""
    it = services()
    drafted = it.uploads.drafted(name, draft)
    if not drafted and not refused:
        return _form(name, {"": _GONE}), HTTPStatus.GONE
    collection = it.collections.get(name)
    with previews.looking(it, collection) as look:
        cards = [
            _card(
                look,
                report.id,
                replace(upload, columns=columns.get(report.id, upload.columns)),
                place,
            )
            for place, (report, upload) in enumerate(drafted)
        ]
    gone = [Card(verdict=one, preview=None) for one in refused]
    page = render_template(
        "add_review.html",
        collection=name,
        draft=draft,
        cards=[*cards, *gone],
        good=sum(not one.refused for one in cards),
        taken=len(cards),
        max_tokens=previews.max_tokens(it, collection),
        shown=previews.DOCUMENTS,
    )
    return page, HTTPStatus.OK if cards else HTTPStatus.UNPROCESSABLE_ENTITY


def _card(look: previews.Look, upload_id: str, upload: NewUpload, place: int) -> Card:
    verdict = Verdict(name=upload.name, size=upload.bytes.size, upload=upload)
    if place >= previews.FILES:
        unseen = f"Only the first {previews.FILES} files are looked into here."
        return Card(verdict=verdict, preview=None, upload_id=upload_id, unseen=unseen)
    seen, preview = look.into(verdict)
    too_large = preview is None and seen.fault is None
    unseen = "It is too large to be looked into here; the job will tell." if too_large else ""
    return Card(verdict=seen, preview=preview, upload_id=upload_id, unseen=unseen)


def _refused(name: str, verdicts: Sequence[Verdict], job_id: str | None = None) -> str:
    return render_template(
        "add_verdicts.html",
        collection=name,
        verdicts=verdicts,
        taken=sum(one.upload is not None for one in verdicts),
        job_id=job_id,
    )


def _form(collection: str, told: Mapping[str, str] | None = None) -> str:
    it = services()
    stats = visible(it.collections.stats(), lambda one: one.collection.name)
    return render_template(
        "add_files.html",
        stats=stats,
        chosen=preselected(stats, collection),
        told=told or {},
        limits=it.settings.files,
    )


def _to(job_id: str) -> ResponseReturnValue:
    return redirect(url_for("job_pages.show", job_id=job_id), HTTPStatus.SEE_OTHER)
