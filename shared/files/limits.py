"""How much reading one file may take; see `FileSettings`."""

from dataclasses import asdict, dataclass
from typing import Self

from shared.domain import Json


@dataclass(frozen=True, slots=True, kw_only=True)
class FileLimits:
    """What one file may hold and cost."""

    file_bytes: int
    text_characters: int
    name_characters: int
    pages: int
    rows: int
    members: int
    unpacked_bytes: int
    ratio: int
    memory_bytes: int
    cpu_seconds: int
    wall_seconds: float

    def dump(self) -> dict[str, Json]:
        """Return it as JSON, for the child."""
        return asdict(self)

    @classmethod
    def load(cls, raw: dict[str, Json]) -> Self:
        """Return what `dump` gave."""
        return cls(**raw)  # type: ignore[arg-type]  # what `dump` gave
