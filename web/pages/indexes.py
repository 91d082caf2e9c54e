"""`/collections/<name>/index`: how a collection is laid out for search, and how well that finds."""

import re
from dataclasses import dataclass
from http import HTTPStatus

from flask import Blueprint, flash
from flask.typing import ResponseReturnValue

from shared.domain import Policy, Segment
from shared.errors import InvalidRequest
from shared.services import open_shelf
from shared.versions.shelf import describe
from web.api.collections import change
from web.api.models.collections import CollectionChange
from web.api.models.rules import HIGHEST_RECALL, LOWEST_RECALL, LayoutShape, memory_of, policy_of
from web.context import services
from web.pages.collection_frame import back_to, render
from web.pages.forms import checked, errors_by_field, filled, typed

blueprint = Blueprint("index_pages", __name__)

_FIELDS = ("policy", "recall_target", "memory_mib")
_MIB = 2**20
_CHORES = 12
POLICY_WORDS = {
    Policy.AUTO: "Lamina chooses, by size, memory limit and measured recall",
    Policy.FLAT: "looks at every vector: exact, for small collections",
    Policy.HNSW: "a graph: fastest, takes most memory",
    Policy.IVF: "inverted lists: looks at the closest ones",
    Policy.IVFPQ: "inverted lists of short codes: least memory",
    Policy.SQ8: "every vector in 8 bits a dimension, then scored again",
}


@dataclass(frozen=True, slots=True)
class Layer:
    """A segment as a page shows it."""

    id: str
    live: int
    dead: int
    bytes: int
    memory: int
    policy: Policy
    spec: str
    recall: float | None
    refused: tuple[str, ...]

    @classmethod
    def of(cls, segment: Segment) -> "Layer":
        """Return what is shown of a segment."""
        layout = segment.layout
        return cls(
            id=segment.id,
            live=segment.live,
            dead=segment.rows - segment.live,
            bytes=segment.bytes,
            memory=memory_of(segment),
            policy=policy_of(segment),
            spec=layout.spec if layout else "flat",
            recall=layout.recall if layout else None,
            refused=layout.refused if layout else (),
        )


def layers_of(segments: tuple[Segment, ...] | None) -> list[Layer] | None:
    """Return what is shown of segments, the largest first; None where they are not known."""
    if segments is None:
        return None
    return [Layer.of(one) for one in sorted(segments, key=lambda one: -one.live)]


@blueprint.get("/collections/<name>/index")
def show(name: str) -> str:
    """Show the policy, what it made of the segments, and what was measured."""
    return _page(name, {}, {})


@blueprint.post("/collections/<name>/index")
def configure(name: str) -> ResponseReturnValue:
    """Change the policy, or show what is wrong with it."""
    values = typed(*_FIELDS)
    try:
        change(name, checked(CollectionChange, {"index": _rule(values)}))
    except InvalidRequest as error:
        told = errors_by_field(_named(error), "/index/", _FIELDS)
        return _page(name, values, told), HTTPStatus.UNPROCESSABLE_ENTITY
    flash("Saved. Large segments are laid out anew in the background; searches go on.", "good")
    return back_to("index_pages.show", name)


def _rule(values: dict[str, str]) -> dict[str, object]:
    given: dict[str, object] = dict(filled(values))
    memory = str(given.pop("memory_mib", ""))
    given["memory_limit_bytes"] = None
    if memory:
        is_number = re.fullmatch(r"[0-9]{1,9}(\.[0-9]+)?", memory)
        given["memory_limit_bytes"] = int(float(memory) * _MIB) if is_number else memory
    return given


def _named(error: InvalidRequest) -> InvalidRequest:
    """Return *error* with the limit under the name that the form has for it."""
    faults = [
        type(one)(one.pointer.replace("memory_limit_bytes", "memory_mib"), one.detail)
        for one in error.faults
    ]
    return InvalidRequest(error.detail, faults)


def _page(name: str, values: dict[str, str], told: dict[str, str]) -> str:
    it = services()
    found = describe(open_shelf(it), name, "head")
    collection = it.collections.get(name)
    rule = collection.index
    limit = rule.memory_limit_bytes
    shown = values or {
        "policy": rule.policy.value,
        "recall_target": f"{rule.recall_target:g}",
        "memory_mib": "" if limit is None else f"{limit / _MIB:g}",
    }
    return render(
        "collection/index.html",
        name,
        values=shown,
        told=told,
        policies=POLICY_WORDS,
        least_recall=LOWEST_RECALL,
        most_recall=HIGHEST_RECALL,
        layouts=None if found.segments is None else LayoutShape.by_policy(found.segments),
        layers=layers_of(found.segments),
        damages=it.chores.damages(collection.id),
        recall=it.chores.recall(collection.id),
        chores=it.chores.chores(collection=name, limit=_CHORES),
    )
