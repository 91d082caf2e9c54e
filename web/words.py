"""What is wrong with a request, in words that ask for no knowledge of how it was read."""

from collections.abc import Mapping

from pydantic_core import ErrorDetails
from werkzeug.exceptions import HTTPException, default_exceptions

from shared.domain.names import NAMES_IN_WORDS

A_FLAG = "must be true or false"
A_NUMBER = "must be a number"
A_WHOLE_NUMBER = "must be a whole number"
TIME_IN_WORDS = "must be a time with its zone, like 2026-11-23T08:00:00Z"
_OF_STATUS: Mapping[int, str] = {
    400: "The request cannot be read.",
    401: "This needs a key: `Authorization: Bearer …`.",
    403: "The key is not for this.",
    404: "Nothing is at this address.",
    405: "The address is not for this method; the header `Allow` names those that it is for.",
    408: "The request did not come in time.",
    413: "The request is larger than any may be (LAMINA_LIMITS_REQUEST_BYTES).",
    415: "A body of this kind is not read here.",
    429: "Too many requests; the header `Retry-After` says when to try again, in seconds.",
    500: "Lamina failed at this. Its log says why, under the id that `X-Request-ID` tells.",
    503: "Lamina cannot do this just now; try again.",
}
_OF_VALUE: Mapping[str, str] = {
    "missing": "is missing",
    "extra_forbidden": "is not known here",
    "int_type": A_WHOLE_NUMBER,
    "int_parsing": A_WHOLE_NUMBER,
    "int_parsing_size": "must be a smaller number",
    "int_from_float": A_WHOLE_NUMBER,
    "float_type": A_NUMBER,
    "float_parsing": A_NUMBER,
    "finite_number": "must be a finite number",
    "bool_type": A_FLAG,
    "bool_parsing": A_FLAG,
    "string_type": "must be a string",
    "list_type": "must be a list",
    "dict_type": "must be an object",
    "model_type": "must be an object",
    "model_attributes_type": "must be an object",
    "greater_than": "must be more than {gt}",
    "greater_than_equal": "must be at least {ge}",
    "less_than": "must be less than {lt}",
    "less_than_equal": "must be at most {le}",
    "string_too_short": "must not be shorter than {min_length}",
    "string_too_long": "must not be longer than {max_length}",
    "too_short": "must not be shorter than {min_length}",
    "too_long": "must not be longer than {max_length}",
    "enum": "must be {expected}",
    "literal_error": "must be {expected}",
    "datetime_type": TIME_IN_WORDS,
    "datetime_parsing": TIME_IN_WORDS,
    "datetime_from_date_parsing": TIME_IN_WORDS,
    "timezone_aware": TIME_IN_WORDS,
}
"""By pydantic's names of errors: https://docs.pydantic.dev/latest/errors/validation_errors/"""


def of_status(error: HTTPException) -> str:
    """Return what an error of the framework says, in our words where it has nothing of its own."""
    code = error.code or 500
    usual = default_exceptions[code].description if code in default_exceptions else None
    said = error.description or ""
    return _OF_STATUS.get(code, said) if said in ("", usual) else said


def explained(code: int, usual: str) -> str:
    """Return what a status means; *usual* is what the framework says."""
    return _OF_STATUS.get(code, usual)


def of_value(error: ErrorDetails) -> str:
    """Return what is wrong with a value; nobody should have to read a pattern."""
    context = error.get("ctx", {})
    pattern = str(context.get("pattern", ""))
    if named := NAMES_IN_WORDS.get(pattern.removeprefix("^").removesuffix("$")):
        return named
    if context.get("min_length") == 1:
        return "must not be empty"
    if words := _OF_VALUE.get(error["type"]):
        return words.format(**context)
    return error["msg"].removeprefix("Value error, ")
