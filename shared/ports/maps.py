"""What is asked about maps. Any call of the catalog may raise `CatalogUnavailable`."""

from typing import Protocol

from shared.domain import Ids, MapReport, MapWish, Projection, Vectors


class Maps(Protocol):
    """Maps of versions, wished for and drawn. One goes when its version expires."""

    def ask(self, collection_id: int, version: int, *, sample: int, seed: int) -> MapReport:
        """Wish for a map, committed when this returns; what is there already is not drawn again.

        Unless it failed, or has another sample or seed: then it is replaced.

        Raises:
            VersionNotFound, VersionExpired
        """
        ...

    def find(self, collection_id: int, version: int | None = None) -> MapReport | None:
        """Return the map of a version, or of the newest version that has one; None without."""
        ...

    def next(self, *, most_tries: int) -> MapWish | None:
        """Return the oldest wish; None if there is none.

        One that was begun *most_tries* times and never ended has failed.
        """
        ...

    def begin(self, wish: MapWish) -> None:
        """Count a try, which `end`, `fail` or `spare` is to follow."""
        ...

    def spare(self, wish: MapWish) -> None:
        """Take a try back that ended for no fault of the map; it is wished for as before."""
        ...

    def end(self, wish: MapWish, projection: Projection) -> None:
        """Keep what was drawn; nothing happens if that is no longer wished for."""
        ...

    def fail(self, wish: MapWish, reason: str) -> None:
        """Say that it cannot be drawn; nothing happens if it is no longer wished for."""
        ...


class Clusterer(Protocol):
    """Groups vectors that lie close together."""

    def __call__(self, vectors: Vectors, count: int, *, spherical: bool, seed: int) -> Ids:
        """Return the number of a group for each vector, `(n,)`, from 0 to *count* less 1.

        Args:
            vectors: `(n, dimension)` float32, n at least *count*.
            count: of groups.
            spherical: compare directions only, as for cosine similarity.
            seed: the same one gives the same groups.
        """
        ...
