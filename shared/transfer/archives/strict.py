"""JSON objects as strict as a file from elsewhere deserves."""

import json
from typing import Any, NoReturn

from shared.errors import ArchiveRefused


def parse_object(text: bytes | str, where: str) -> dict[str, Any]:
    """Read one JSON object.

    Raises:
        ArchiveRefused: not UTF-8, not JSON, a name twice, NaN or infinity, nested too deeply, or
            no object.
    """
    try:
        found = json.loads(text, object_pairs_hook=_object, parse_constant=_refuse)
    except RecursionError as error:
        raise ArchiveRefused(f"{where}: nested too deeply.") from error
    except ValueError as error:  # UnicodeDecodeError is one
        raise ArchiveRefused(f"{where}: not a JSON object: {error}.") from error
    if not isinstance(found, dict):
        raise ArchiveRefused(f"{where}: not a JSON object.")
    return found


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a name occurs twice in one object")
    return found


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not JSON")
