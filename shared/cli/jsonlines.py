"""Read documents from JSON Lines, plain or gzip, with an error that names file and line."""

import gzip
import hashlib
import json
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import IO, Any, cast

from shared.cli.terminal import Exit, Failure

_KNOWN = frozenset({"id", "_id", "title", "text", "metadata", "external_version"})
STDIN = Path("-")


class Extra(StrEnum):
    """What to do with fields that a document does not have."""

    REFUSE = "refuse"
    METADATA = "metadata"
    """Keep them in the document's metadata."""
    IGNORE = "ignore"


class BadLine(Failure):
    """A line is not a document."""

    def __init__(self, where: str, what: str) -> None:
        self.where = where
        self.what = what
        super().__init__(f"{where}: {what}", Exit.USAGE)


@dataclass(frozen=True, slots=True)
class Line:
    """A document as the API takes it, UTF-8 JSON, and where it came from (`file:line`)."""

    where: str
    encoded: bytes


def read(path: Path, extra: Extra) -> Iterator[Line | BadLine]:
    """Yield the documents of a file (`-` is stdin) and what is wrong with the other lines.

    Raises:
        Failure: the file cannot be read.
    """
    name = "<stdin>" if path == STDIN else str(path)
    number = 0
    try:
        with _open(path) as lines:
            for number, line in enumerate(lines, start=1):
                if line.strip():
                    yield _line(line, f"{name}:{number}", extra)
    except (OSError, EOFError) as error:  # a cut-off gzip file is an EOFError
        where = f"{name} after line {number}" if number else name
        raise Failure(f"{where}: {error}", Exit.USAGE) from error


def _open(path: Path) -> IO[bytes]:
    if path == STDIN:
        return sys.stdin.buffer
    if path.suffix == ".gz":
        return cast("IO[bytes]", gzip.open(path, "rb"))
    return path.open("rb")


def _line(line: bytes, where: str, extra: Extra) -> Line | BadLine:
    try:
        return Line(where, json.dumps(parse(line, extra), ensure_ascii=False).encode())
    except UnicodeEncodeError:
        return BadLine(where, "it holds half of a surrogate pair, which is no character")
    except RecursionError:
        return BadLine(where, "it is nested too deeply")
    except ValueError as error:  # of the decoder, of JSON and of `parse`
        return BadLine(where, str(error))


def parse(line: bytes, extra: Extra = Extra.REFUSE) -> dict[str, Any]:
    """Return the document that *line* holds.

    A document without an id gets one made of its content, so that adding the same file twice
    does not make two of it.

    Raises:
        ValueError: it holds none; says what is wrong.
    """
    found = json.loads(line.decode("utf-8-sig"), parse_constant=_refuse_constant)
    if not isinstance(found, dict):
        raise ValueError(f"a document is a JSON object, this is {_kind(found)}")  # noqa: TRY004
    metadata = found.get("metadata") or {}
    if not isinstance(metadata, dict):
        raise ValueError(f"`metadata` must be an object, this is {_kind(metadata)}")  # noqa: TRY004
    document: dict[str, Any] = {
        "title": _text(found, "title"),
        "text": _text(found, "text"),
        "metadata": metadata | _others(found, extra),
    }
    if not document["title"] and not document["text"]:
        raise ValueError("it has neither `text` nor `title`")
    if "external_version" in found:
        document["external_version"] = found["external_version"]
    return {"id": _id(found) or _id_of(document)} | document


def _others(found: dict[str, Any], extra: Extra) -> dict[str, Any]:
    """Return the fields that belong into the metadata."""
    others = {name: value for name, value in found.items() if name not in _KNOWN}
    if others and extra is Extra.REFUSE:
        names = ", ".join(f"`{name}`" for name in sorted(others))
        raise ValueError(f"unknown {names} (keep with --extra metadata, drop with --extra ignore)")
    return others if extra is Extra.METADATA else {}


def _text(found: dict[str, Any], name: str) -> str:
    value = found.get(name)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise ValueError(f"`{name}` must be a string, this is {_kind(value)}")  # noqa: TRY004
    return value


def _id(found: dict[str, Any]) -> str | None:
    """Return the document's id; whole numbers count as strings, as in many data sets."""
    given = [found[name] for name in ("id", "_id") if found.get(name) is not None]
    if not given:
        return None
    if len(given) == 2 and given[0] != given[1]:  # noqa: PLR2004 - both names
        raise ValueError("`id` and `_id` differ")
    value = given[0]
    if isinstance(value, bool) or not isinstance(value, str | int) or value == "":
        raise ValueError(f"`id` must be a string, this is {_kind(value)}")
    return str(value)


def _id_of(document: dict[str, Any]) -> str:
    canonical = json.dumps(document, sort_keys=True).encode()
    return "sha256-" + hashlib.sha256(canonical).hexdigest()[:32]


def _kind(value: object) -> str:
    if value is None:
        return "null"
    if value == "":
        return "an empty string"
    kinds: Iterable[tuple[type, str]] = (
        (bool, "a boolean"),
        (int, "a number"),
        (float, "a number"),
        (str, "a string"),
        (list, "a list"),
    )
    return next((word for kind, word in kinds if isinstance(value, kind)), "an object")


def _refuse_constant(name: str) -> float:
    raise ValueError(f"{name} is not JSON")
