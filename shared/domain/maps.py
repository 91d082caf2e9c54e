"""Maps: the vectors of a version drawn on a plane."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum


class MapState(StrEnum):
    """How a map stands."""

    WANTED = "wanted"
    """Asked for; the upkeep process draws it, one after another."""
    DONE = "done"
    FAILED = "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Projection:
    """What was drawn. It holds no text: what its vectors stand for is looked up when it is seen.

    So a document that is purged is on no map any more.
    """

    method: str
    """`pca`, or `pca+tsne`."""
    explained: float
    """Share of the sample's variance that the principal components kept, 0 to 1."""
    settings: Mapping[str, float]
    """Numbers of the method: components, perplexity, iterations."""
    vectors: int
    """Live vectors of the version, of which the sample was taken."""
    ids: tuple[int, ...]
    """Vector ids of the sample, rising."""
    places: tuple[tuple[float, float], ...]
    """Of each, between -1 and 1, the mean at 0."""
    clusters: tuple[int, ...]
    """Of each, from 0, the largest cluster first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MapReport:
    """The map of one version, or the wish for it."""

    collection_id: int
    version: int
    state: MapState
    sample: int
    """At most so many vectors."""
    seed: int
    """Of what is random: which vectors, and where clusters begin."""
    requested_at: float
    ended_at: float | None
    detail: str
    """Why it failed, in words; empty if it did not."""
    projection: Projection | None
    """Once it is done."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MapWish:
    """A map that somebody waits for."""

    collection_id: int
    version: int
    sample: int
    seed: int
