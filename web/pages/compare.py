"""`/compare`: two versions or two queries side by side."""

from collections.abc import Sequence
from dataclasses import dataclass
from http import HTTPStatus

from flask import Blueprint, render_template, request
from flask.typing import ResponseReturnValue

from shared.domain import Hit, RankingDiff, RankMove, Scope
from shared.errors import InvalidRequest, LaminaError
from shared.services import open_shelf
from shared.versions.comparing import compare_rankings
from web.access import require, visible
from web.context import services
from web.pages.forms import preselected, whole_number
from web.pages.questions import HITS
from web.problems import STATUS

blueprint = Blueprint("compare", __name__)

_FIELDS = ("collection", "q", "q_after", "before", "after", "k")
_VERSIONS_OFFERED = 30


@dataclass(frozen=True, slots=True)
class Row:
    """A hit of one side, and where it stands on the other."""

    rank: int
    hit: Hit
    move: str
    """`up`, `down`, `same`; `only` where the other side lacks it."""
    places: int
    """By how many it moved."""


@dataclass(frozen=True, slots=True)
class Sides:
    """The two rankings as they are shown, and how they differ in numbers."""

    before: Sequence[Row]
    after: Sequence[Row]
    same: int
    moved: int
    left: int
    """Only among the first."""
    new: int
    """Only among the second."""

    @classmethod
    def of(cls, found: RankingDiff) -> "Sides":
        """Return what is shown of a comparison."""
        moves = {one.id: one for one in found.moves}
        after = [_row(rank, hit, moves[hit.id]) for rank, hit in enumerate(found.hits_after, 1)]
        before = [_row(rank, hit, moves[hit.id]) for rank, hit in enumerate(found.hits_before, 1)]
        kinds = [one.move for one in after]
        return cls(
            before=before,
            after=after,
            same=kinds.count("same"),
            moved=kinds.count("up") + kinds.count("down"),
            left=sum(one.move == "only" for one in before),
            new=kinds.count("only"),
        )


@blueprint.get("/compare")
def show() -> ResponseReturnValue:
    """Show the form, and both rankings once it asks something."""
    stats = visible(services().collections.stats(), lambda one: one.collection.name)
    values = {name: request.args.get(name, "").strip() for name in _FIELDS}
    chosen = values["collection"] or preselected(stats, None)
    found, told, status = None, {}, HTTPStatus.OK
    if values["q"]:
        try:
            found = _compare(values, chosen)
        except LaminaError as error:
            told, status = _told(error), STATUS[type(error)]
    known = any(one.collection.name == chosen for one in stats)
    page = render_template(
        "compare.html",
        stats=stats,
        chosen=chosen,
        values=values,
        k=values["k"] or str(HITS),
        found=found,
        sides=Sides.of(found) if found else None,
        told=told,
        limits=services().settings.limits,
        versions=services().records.versions(chosen, limit=_VERSIONS_OFFERED, kept_only=True)
        if known
        else (),
    )
    return page, status


def _compare(values: dict[str, str], chosen: str) -> RankingDiff:
    it = services()
    name = require(Scope.SEARCH, chosen)
    return compare_rankings(
        open_shelf(it),
        it.searcher,
        name,
        values["q"],
        before=values["before"] or "newest",
        after=values["after"] or "newest",
        k=whole_number(values, "k", HITS) or 0,
        query_after=values["q_after"] or None,
    )


def _told(error: LaminaError) -> dict[str, str]:
    """Return what to say, by field; under the empty name what belongs to none."""
    if isinstance(error, InvalidRequest) and error.faults:
        # The first fault of a field is said.
        return {
            one.pointer.removeprefix("/"): f"{one.detail[:1].upper()}{one.detail[1:]}."
            for one in reversed(error.faults)
        }
    return {"": f"{error.title}. {error.detail}"}


def _row(rank: int, hit: Hit, move: RankMove) -> Row:
    if move.rank_before is None or move.rank_after is None:
        return Row(rank, hit, "only", 0)
    places = move.rank_before - move.rank_after
    return Row(rank, hit, "up" if places > 0 else "down" if places < 0 else "same", abs(places))
