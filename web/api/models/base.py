"""What all models of the API share."""

import functools
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated, Any, get_args

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    ValidationInfo,
    WithJsonSchema,
    field_validator,
)

from shared.domain import rfc3339
from shared.domain.names import COLLECTION_NAME, TAG_NAME
from web.words import A_FLAG, A_NUMBER, A_WHOLE_NUMBER, TIME_IN_WORDS

LARGEST_INTEGER = 2**63 - 1
"""What the catalog's integers hold."""


def _storable(text: str) -> str:
    if "\x00" in text:
        raise ValueError("contains a NUL character")
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise ValueError("contains half of a surrogate pair, which is not a character") from error
    return text


def _reference(value: object) -> object:
    """Return the number of a version as text, as its name is."""
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    return value


def _written_out(value: object) -> object:
    """Refuse a number, which pydantic would take for seconds since 1970."""
    if not isinstance(value, str | datetime) or re.fullmatch(r"[-+]?[0-9.]+", str(value)):
        raise ValueError(TIME_IN_WORDS)
    return value


def _number_or_name(text: str) -> str:
    is_number = re.fullmatch("[0-9]{1,19}", text) and int(text) <= LARGEST_INTEGER
    if not is_number and not re.fullmatch(TAG_NAME, text):
        raise ValueError("must be a version's number, a tag, `head` or `newest`")
    return text


Time = Annotated[
    float,
    PlainSerializer(rfc3339, return_type=str),
    WithJsonSchema({"type": "string", "format": "date-time"}),
]
"""Seconds since 1970 here, RFC 3339 in UTC with milliseconds outside."""

Instant = Annotated[AwareDatetime, BeforeValidator(_written_out)]
"""A time that is asked for: RFC 3339, with its zone."""

Text = Annotated[str, AfterValidator(_storable)]
"""A string that every database can hold."""

VersionRef = Annotated[
    str,
    BeforeValidator(_reference),
    AfterValidator(_number_or_name),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "integer", "minimum": 0, "maximum": LARGEST_INTEGER},
                {"type": "string", "pattern": f"^([0-9]+|{TAG_NAME})$"},
            ]
        }
    ),
]
"""A version by number, by tag, or the newest as `head` or `newest`."""

CollectionName = Annotated[Text, Field(pattern=f"^{COLLECTION_NAME}$")]
"""What can name a collection or an alias."""

TagName = Annotated[str, Field(pattern=f"^{TAG_NAME}$")]

WholeNumber = Annotated[int, Field(ge=0, le=LARGEST_INTEGER)]


NewestFirst = Annotated[str, Field(pattern=r"^[0-9]{1,12}(\.[0-9]{1,17})?_[0-9a-f]{1,64}$")]
"""The end of a page of things listed by time, newest first; see `end_of_page`."""


def end_of_page(moment: float, identity: str) -> str:
    """Return the cursor behind something of this time and id."""
    return f"{moment!r}_{identity}"


def behind(cursor: str | None) -> tuple[float, str] | None:
    """Return the time and id that a cursor stands behind."""
    if cursor is None:
        return None
    moment, _, identity = cursor.partition("_")
    return float(moment), identity


def seconds(moment: datetime | None) -> float | None:
    """Return a time as the catalog writes it, seconds since 1970."""
    return None if moment is None else moment.astimezone(UTC).timestamp()


class Shape(BaseModel):
    """Something the API gives."""

    model_config = ConfigDict(frozen=True, use_attribute_docstrings=True)

    # The framework asks for a query's schema at each request, and making it costs more than a
    # millisecond.
    @classmethod
    def model_json_schema(cls, *args: Any, **kwargs: Any) -> dict[str, Any]:
        """Return the JSON schema, made once."""
        return _schema(cls, args, tuple(sorted(kwargs.items())))


@functools.cache
def _schema(
    shape: type[Shape], args: tuple[Any, ...], kwargs: tuple[tuple[str, Any], ...]
) -> dict[str, Any]:
    return super(Shape, shape).model_json_schema(*args, **dict(kwargs))


class Question(Shape):
    """Something the API takes; a misspelt name is refused, since it would be lost silently."""

    model_config = ConfigDict(extra="forbid")


FORM: Mapping[str, bool] = {"form": True}
"""The context in which a form is validated, where everything is text."""


class Body(Question):
    """A JSON body, or an object in one: text is no number in it, and a number no flag."""

    @field_validator("*", mode="before")
    @classmethod
    def _as_written(cls, value: object, info: ValidationInfo) -> object:
        if info.context is not FORM and info.field_name:
            _check_kind(value, _kinds(cls, info.field_name))
        return value


@functools.cache
def _kinds(shape: type[Body], field: str) -> frozenset[type]:
    """Return the types that a field's annotation is made of."""
    found, left = set[type](), [shape.model_fields[field].annotation]
    while left:
        one = left.pop()
        left += get_args(one)
        if isinstance(one, type):
            found.add(one)
    return frozenset(found)


def _check_kind(value: object, kinds: frozenset[type]) -> None:
    """Refuse a value that pydantic would turn into one of another kind.

    Raises:
        ValueError
    """
    number = kinds & {int, float}
    if isinstance(value, str):
        wrong = bool(number or bool in kinds) and not any(issubclass(one, str) for one in kinds)
    elif isinstance(value, bool):
        wrong = bool(number) and bool not in kinds
    else:
        wrong = isinstance(value, int | float) and bool in kinds and not number
    if wrong:
        raise ValueError(A_FLAG if not number else A_NUMBER if float in kinds else A_WHOLE_NUMBER)


class CollectionPath(Question):
    """An address inside a collection."""

    name: Text
    """Name of the collection."""


class DocumentPath(CollectionPath):
    """The address of a document."""

    document_id: Text
    """The document's id; it may hold slashes."""


class JobLink(Shape):
    """A job and where to watch it."""

    id: str
    url: str
