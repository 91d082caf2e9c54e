"""What a search asks of the catalog besides texts: which vectors belong to what."""

from collections.abc import Mapping, Sequence
from typing import Protocol

from shared.domain import Ids
from shared.domain.filters import Filter


class Matching(Protocol):
    """Vectors by the documents and metadata behind them. Any call may raise `CatalogUnavailable`.

    A vector's revision, and so its metadata, never change: what is said of a vector stays true.
    """

    def matching(
        self, collection_id: int, space_id: int, condition: Filter, *, first: int, last: int
    ) -> Ids:
        """Return the vectors from *first* to *last* whose revisions match, rising.

        Of every version that is kept: what is live in one of them, its manifest says.
        """
        ...

    def owners(self, vector_ids: Sequence[int]) -> Mapping[int, int]:
        """Return the documents of vectors, by vector; those that were purged are missing."""
        ...

    def siblings(self, vector_ids: Sequence[int]) -> Ids:
        """Return all vectors of the revisions that these belong to, of the same spaces, rising."""
        ...

    def document(
        self, collection_id: int, external_id: str, *, space_id: int, version: int
    ) -> tuple[int, Ids]:
        """Return a document's id and its vectors of a space as of a version, rising.

        Raises:
            DocumentNotFound: the version does not hold it.
        """
        ...
