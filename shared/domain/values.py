"""Small shared values: JSON, vectors, metrics, lanes, states."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from enum import IntEnum, StrEnum
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Json: TypeAlias = "bool | int | float | str | Sequence[Json] | Mapping[str, Json] | None"
Metadata: TypeAlias = Mapping[str, Json]
Vectors: TypeAlias = NDArray[np.float32]  # (rows, dimension)
Ids: TypeAlias = NDArray[np.int64]  # (rows,)
Positions: TypeAlias = NDArray[np.uint32]  # rising positions of vectors inside one segment


def sha256_of(value: Json) -> str:
    """Return the sha256 of *value* as canonical JSON, hexadecimal."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()


def rfc3339(seconds: float) -> str:
    """Return a time as users and programs read it, in UTC: `2026-11-22T15:00:00.123Z`."""
    moment = datetime.fromtimestamp(seconds, UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


class Metric(StrEnum):
    """How two vectors are compared."""

    COSINE = "cosine"
    INNER_PRODUCT = "ip"
    L2 = "l2"

    @property
    def higher_is_better(self) -> bool:
        """Whether a larger score means a closer match (false for the L2 distance)."""
        return self is not Metric.L2

    @property
    def meaning(self) -> str:
        """What a score is, in words for a user."""
        return {
            Metric.COSINE: "cosine similarity, -1 to 1, higher is closer",
            Metric.INNER_PRODUCT: "inner product, higher is closer",
            Metric.L2: "Euclidean distance, 0 or more, lower is closer",
        }[self]


class Lane(IntEnum):
    """Who goes first: a person who waits, a bulk load, a rebuild."""

    INTERACTIVE = 0
    BULK = 1
    REBUILD = 2


class State(StrEnum):
    """Where a revision stands."""

    PENDING = "pending"
    CLAIMED = "claimed"
    INDEXED = "indexed"
    UNCHANGED = "unchanged"
    """The live revision already says the same; nothing was encoded."""
    SUPERSEDED = "superseded"
    """A newer revision of the same document was published first."""
    FAILED = "failed"
    CANCELLED = "cancelled"
    WITHDRAWN = "withdrawn"
    """A restore went back to a version older than this revision."""

    @property
    def finished(self) -> bool:
        """Whether nothing more will happen to the revision by itself."""
        return self not in (State.PENDING, State.CLAIMED)


class RevisionKind(StrEnum):
    """What a revision does to its document."""

    PUT = "put"
    DELETE = "delete"


class VersionKind(StrEnum):
    """What made a version."""

    CREATE = "create"
    COMMIT = "commit"
    """Documents were added, changed or deleted."""
    MERGE = "merge"
    RELAY = "relay"
    """Segments were laid out anew, with the same vectors."""
    RESTORE = "restore"
    REBUILD = "rebuild"
    """The same documents in another space: cut or encoded otherwise."""

    @property
    def has_content(self) -> bool:
        """Whether it may say something else than the version before; the others only tidy."""
        return self not in (VersionKind.MERGE, VersionKind.RELAY)
