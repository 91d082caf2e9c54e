"""What our JSON files may contain, and the names that files may have.

Every value is checked although the chain of checksums from the catalog covers them: a bug or
a restored backup must end in a precise error, not in a read outside the folder.
"""

import re
from typing import Annotated, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from shared.errors import CorruptFile

FORMAT = 2
"""Number of the index format. 2 added layouts beside flat, and when the oldest delete was."""


def readable(number: int) -> int:
    """Return the number of a format if it is not newer than this program.

    Raises:
        ValueError: it is.
    """
    if number > FORMAT:
        raise ValueError(
            f"written by a newer Lamina, in format {number}; this one reads up to {FORMAT}"
        )
    return number


ATTEMPT = r"[A-Za-z0-9][A-Za-z0-9_-]{0,99}"
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Count = Annotated[int, Field(ge=0, lt=2**48)]
Number = Annotated[int, Field(ge=1, lt=2**48)]
Identity = Annotated[int, Field(ge=0, lt=2**63)]
Dimension = Annotated[int, Field(ge=1, le=65_536)]
Seconds = Annotated[float, Field(ge=0, allow_inf_nan=False)]
FormatNumber = Annotated[int, Field(ge=1), AfterValidator(readable)]
FolderName = Annotated[str, Field(pattern=rf"^{ATTEMPT}$")]
DeletesName = Annotated[str, Field(pattern=rf"^{ATTEMPT}\.dead$")]

_ATTEMPT = re.compile(ATTEMPT)


class Record(BaseModel):
    """Base of what is read from JSON: nothing unknown, nothing converted."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)


Read = TypeVar("Read", bound=Record)


def parse(model: type[Read], content: bytes, key: str) -> Read:
    """Read one JSON file.

    Raises:
        CorruptFile: not JSON, a newer format, or a value that cannot be; names the first.
    """
    try:
        return model.model_validate_json(content)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False)[0]
        where = ".".join(map(str, first["loc"]))
        what = first["msg"].removeprefix("Value error, ")
        raise CorruptFile(f"{key}: {where + ': ' if where else ''}{what}.") from error


def checked_attempt(attempt_id: str) -> str:
    """Return *attempt_id* if it can begin a file name.

    Raises:
        ValueError: it cannot.
    """
    if not is_attempt(attempt_id):
        raise ValueError(f"{attempt_id!r} cannot begin a file name.")
    return attempt_id


def is_attempt(text: str) -> bool:
    """Whether *text* can be the id of an attempt."""
    return _ATTEMPT.fullmatch(text) is not None
