"""What the search form asks: its fields as they were typed, the question they make, what is wrong.

An address holds every field that is not as it is by default, so that a link says all of it.
"""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from http import HTTPStatus
from typing import Self

from flask import url_for

from shared.domain.filters import FilterLimits
from shared.errors import (
    CollectionNotFound,
    Fault,
    InvalidRequest,
    LaminaError,
    TagNotFound,
    VersionExpired,
    VersionNotFound,
)
from shared.filters import read_json
from shared.searching.queries import Query
from web.pages.forms import whole_number
from web.problems import STATUS

HITS = 10
PASSAGES = 3
"""Of each document: its best one, and others to unfold."""
_FIELD_OF: dict[type[LaminaError], str] = {
    CollectionNotFound: "collection",
    TagNotFound: "version",
    VersionNotFound: "version",
    VersionExpired: "version",
}
_FIELDS = frozenset({"q", "collection", "filter", "k", "min_score", "version"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Typed:
    """The fields of a search as they were typed; empty where nothing was."""

    q: str = ""
    collection: str = ""
    like: str = ""
    """A document to find others like; words take its place."""
    filter: str = ""
    k: str = ""
    min_score: str = ""
    version: str = ""
    after: str = ""
    """A job whose documents shall be seen."""
    cursor: str = ""

    @classmethod
    def of(cls, values: Mapping[str, str]) -> Self:
        """Return the fields that an address holds."""
        typed = cls(**{name: values.get(name, "").strip() for name in cls.__slots__})
        typed = replace(typed, like=values.get("like", ""))  # an id may begin with a space
        if typed.k == str(HITS):
            typed = replace(typed, k="")
        return replace(typed, like="") if typed.q else typed

    @property
    def asks(self) -> bool:
        """Whether anything is looked for."""
        return bool(self.q or self.like)

    @property
    def has_options(self) -> bool:
        """Whether a field is filled in that is not seen at first."""
        return bool(self.filter or self.k or self.min_score or self.version)

    def address(self, **changes: str) -> str:
        """Return the address of this search, or of one with *changes*; it leaves the page out."""
        changed = replace(self, **{"cursor": "", **changes})
        return url_for("home.search", **{name: one for name, one in asdict(changed).items() if one})

    def next_page(self, cursor: str) -> str:
        """Return the address of the results after these."""
        return self.address(cursor=cursor)

    def query(self, limits: FilterLimits) -> Query:
        """Return the question that the fields make.

        Raises:
            InvalidRequest: with a fault for each field that says nothing of use.
        """
        faults: list[Fault] = []
        k = _whole(self, faults)
        min_score = _number(self.min_score, faults)
        where = None
        if self.filter:
            try:
                where = read_json(self.filter, limits)
            except InvalidRequest as error:
                faults += error.faults
        if faults:
            raise InvalidRequest(None, faults)
        return Query(
            query=self.q or None,
            like=self.like or None,
            k=k,
            where=where,
            min_score=min_score,
            passages=PASSAGES,
            cursor=self.cursor or None,
        )


@dataclass(frozen=True, slots=True)
class Refusal:
    """What is wrong with a search, said where it is."""

    status: HTTPStatus
    told: Mapping[str, str]
    """By field; what belongs to none is under the empty name."""

    @classmethod
    def of(cls, error: LaminaError) -> Self:
        """Return what to say about *error*."""
        status = STATUS[type(error)]
        if isinstance(error, InvalidRequest) and error.faults:
            return cls(status, {_field(one): _sentence(one) for one in reversed(error.faults)})
        field = _FIELD_OF.get(type(error), "")
        return cls(status, {field: f"{error.title}. {error.detail}"})


def _whole(typed: Typed, faults: list[Fault]) -> int:
    try:
        return whole_number({"k": typed.k}, "k", HITS) or 0
    except InvalidRequest as error:
        faults += error.faults
        return HITS


def _number(text: str, faults: list[Fault]) -> float | None:
    if not text:
        return None
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        faults.append(Fault("/min_score", "must be a number, such as 0.35"))
    return value


def _field(fault: Fault) -> str:
    name = fault.pointer.removeprefix("/").partition("/")[0]
    return name if name in _FIELDS else ""


def _sentence(fault: Fault) -> str:
    name = fault.pointer.rpartition("/")[2]
    nouns = {"q": "The query", "k": "k", "min_score": "The least score", "filter": "The filter"}
    noun = nouns.get(name, f"The {name}")
    joint = ", " if fault.detail.startswith("column ") else " "
    return f"{noun}{joint}{fault.detail}."
