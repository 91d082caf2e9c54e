"""What forms share: fields as they were typed, and what is wrong with each."""

from collections.abc import Mapping, Sequence
from typing import TypeVar

from flask import request
from pydantic import BaseModel, ValidationError

from shared.domain import CollectionStats
from shared.errors import Fault, InvalidRequest
from shared.services import DEFAULT_COLLECTION
from web.api.models.base import FORM
from web.problems import refuse_invalid

M = TypeVar("M", bound=BaseModel)


def typed(*names: str) -> dict[str, str]:
    """Return the fields called *names* as the user typed them, empty where missing."""
    return {name: request.form.get(name, "") for name in names}


def errors_by_field(error: InvalidRequest, prefix: str, fields: Sequence[str]) -> dict[str, str]:
    """Return what to say at each field; what belongs to none is under the empty name.

    Args:
        error: with pointers such as `/documents/0/title`.
        prefix: the part of a pointer before the field, `/documents/0/`.
        fields: names of the form's fields.
    """
    told: dict[str, str] = {}
    for fault in error.faults:
        name = fault.pointer.removeprefix(prefix).partition("/")[0]
        field = name if fault.pointer.startswith(prefix) and name in fields else ""
        told.setdefault(field, _sentence(fault, prefix))
    return told or {"": error.detail}


def flat(error: InvalidRequest, group: str) -> InvalidRequest:
    """Return *error* with pointers as flat as a form that has the fields of *group* beside others.

    Args:
        error: with pointers such as `/chunking/mode`.
        group: `/chunking/`.
    """
    faults = [Fault(one.pointer.replace(group, "/", 1), one.detail) for one in error.faults]
    return InvalidRequest(error.detail, faults)


def checked(model: type[M], given: Mapping[str, object]) -> M:
    """Return what a form says as a model of the API.

    Raises:
        InvalidRequest: with a pointer for each field that is wrong.
    """
    try:
        return model.model_validate(given, context=FORM)
    except ValidationError as error:
        refuse_invalid(error)
        raise


def filled(values: Mapping[str, str]) -> dict[str, str]:
    """Return the fields that are not blank, without spaces around them."""
    return {name: text.strip() for name, text in values.items() if text.strip()}


def whole_number(values: Mapping[str, str], name: str, default: int | None) -> int | None:
    """Return the whole number in a field, *default* when it is blank.

    Raises:
        InvalidRequest: it holds something else.
    """
    text = values.get(name, "").strip()
    if not text:
        return default
    if not (text.isascii() and text.isdigit() and len(text) < 19):  # noqa: PLR2004 - 64 bits
        raise InvalidRequest(
            f"“{text}” is not a whole number.", [Fault(f"/{name}", "must be a whole number")]
        )
    return int(text)


def preselected(stats: Sequence[CollectionStats], wanted: str | None) -> str:
    """Return the name of the collection to show as chosen; empty if there is none."""
    names = [one.collection.name for one in stats]
    for name in (wanted, DEFAULT_COLLECTION):
        if name in names:
            return str(name)
    return names[0] if names else ""


def _sentence(fault: Fault, prefix: str) -> str:
    """Return the fault as a sentence; deeper pointers say where inside the field."""
    inside = fault.pointer.removeprefix(prefix).partition("/")[2]
    text = f"{inside}: {fault.detail}" if inside else fault.detail
    return text[:1].upper() + text[1:] + "."
