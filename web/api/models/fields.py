"""Which fields of a hit an answer shows."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

from shared.domain import Json
from shared.domain.filters import Path
from shared.errors import Fault, InvalidRequest
from shared.filters import read_path

NAMES = (
    "id",
    "score",
    "title",
    "passage",
    "start",
    "end",
    "place",
    "metadata",
    "vector",
    "passages",
)
_INSIDE = "metadata."


@dataclass(frozen=True, slots=True)
class Chosen:
    """The fields that were asked for, and of metadata only some, if so."""

    names: frozenset[str]
    paths: tuple[Path, ...] = ()
    """Inside metadata; none for all of it."""

    @classmethod
    def read(cls, fields: str | Sequence[str] | None, pointer: str) -> Self:
        """Return the fields that a request names, all of them if it names none.

        Raises:
            InvalidRequest: one of them is no field of a hit.
        """
        if fields is None:
            return cls(frozenset(NAMES))
        given = fields.split(",") if isinstance(fields, str) else fields
        names = {one.strip() for one in given}
        paths = tuple(_path(one, pointer) for one in sorted(names) if one.startswith(_INSIDE))
        plain = {one for one in names if not one.startswith(_INSIDE)}
        if strange := sorted(plain - set(NAMES)):
            known = ", ".join(NAMES)
            raise _refused(pointer, f"{strange[0]!r:.100} is no field of a hit; there are {known}")
        # All of it, where that is asked for besides a part.
        paths = () if "metadata" in plain else paths
        return cls(frozenset(plain | ({"metadata"} if paths else set())), paths)

    def metadata(self, whole: Mapping[str, Json]) -> dict[str, Any]:
        """Return what is asked for of a document's metadata, nested as they are."""
        if not self.paths:
            return dict(whole)
        picked = _pick(whole, self.paths)
        return picked if isinstance(picked, dict) else {}


_NOTHING = object()


def _pick(value: Any, paths: Sequence[Path]) -> Any:
    """Return the part of *value* that some of *paths* lead to; lists are looked through."""
    if () in paths:
        return value
    if isinstance(value, list):
        parts = [_pick(one, paths) for one in value]
        return [one for one in parts if one is not _NOTHING] or _NOTHING
    if not isinstance(value, Mapping):
        return _NOTHING
    picked = {
        name: part
        for name, inner in value.items()
        if (further := [path[1:] for path in paths if path[0] == name])
        and (part := _pick(inner, further)) is not _NOTHING
    }
    return picked or _NOTHING


def _path(name: str, pointer: str) -> Path:
    try:
        return read_path(name.removeprefix(_INSIDE))
    except ValueError as error:
        raise _refused(pointer, f"{name!r:.100}: after `{_INSIDE}`, {error}") from None


def _refused(pointer: str, detail: str) -> InvalidRequest:
    return InvalidRequest(f"The fields: {detail}.", [Fault(pointer, detail)])
