"""`/sample`: a collection to try Lamina with, loaded and removed by one click."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus

from flask import Blueprint, flash, redirect, render_template, url_for
from werkzeug.wrappers import Response

from shared import samples
from shared.domain import CollectionStats
from shared.errors import (
    CollectionExists,
    CollectionInUse,
    CollectionNotFound,
    EncoderNotInstalled,
    OutOfSpace,
    Overloaded,
)
from shared.samples import NAME
from shared.sampling import load_sample
from shared.services import Services, open_sampler
from web import record
from web.access import visible
from web.context import services

blueprint = Blueprint("sample_pages", __name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """The sample, and how far it is if it is loaded."""

    name: str
    total: int
    attribution: str
    licence: str
    questions: Sequence[str]
    stats: CollectionStats | None
    """None while it is not loaded."""

    @property
    def moving(self) -> bool:
        """Whether it is loaded and not all of it is searchable yet."""
        return self.stats is not None and (self.stats.waiting > 0 or self.stats.version == 0)


def look(stats: Sequence[CollectionStats]) -> Sample:
    """Return the sample as it is among these collections."""
    return Sample(
        name=NAME,
        total=len(samples.documents()),
        attribution=samples.ATTRIBUTION,
        licence=samples.licence(),
        questions=samples.QUESTIONS,
        stats=next((one for one in stats if one.collection.name == NAME), None),
    )


@blueprint.post("/sample")
def load() -> Response:
    """Load the sample and go back to where it can be seen becoming searchable."""
    record.target(collection=NAME)
    try:
        load_sample(open_sampler(services()), services().limits)
    except (CollectionExists, EncoderNotInstalled, OutOfSpace, Overloaded) as error:
        flash(f"{error.title}. {error.detail}", "bad")
    return redirect(url_for("home.index"), HTTPStatus.SEE_OTHER)


@blueprint.get("/sample/progress")
def progress() -> str:
    """Return the part of the first page that tells how far the sample is."""
    stats = visible(services().collections.stats(), lambda one: one.collection.name)
    return render_template("_sample.html", sample=look(stats))


def standing(it: Services, arguments: Mapping[str, str]) -> object:  # noqa: ARG001 - there is one
    """Return what the part of the first page about the sample is made of, for `/live`."""
    try:
        sample = it.collections.get(NAME)
    except CollectionNotFound:
        return None
    return it.reading.head(sample.id).version, it.reading.waiting(sample.id)


@blueprint.post("/sample/remove")
def remove() -> Response:
    """Delete the sample collection."""
    record.target(collection=NAME)
    try:
        services().discards.discard(NAME)
    except (CollectionNotFound, CollectionInUse) as error:
        flash(f"{error.title}. {error.detail}", "bad")
    else:
        flash("The sample is gone from searches; its files go some days later.", "good")
    return redirect(url_for("home.index"), HTTPStatus.SEE_OTHER)
