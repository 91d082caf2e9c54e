"""What upkeep asks of the catalog to let go of what nobody asks for any more."""

from typing import Protocol


class Expiry(Protocol):
    """Records that are only kept for so long. Any call may raise `CatalogUnavailable`."""

    def expire_keys(self, *, older_than_seconds: float, limit: int) -> int:
        """Forget at most *limit* idempotency keys, oldest first; return how many."""
        ...

    def expire_rejections(self, *, older_than_seconds: float, limit: int) -> int:
        """Forget at most *limit* refused messages, replayed ones too; return how many."""
        ...

    def expire_jobs(
        self, *, older_than_seconds: float, after: tuple[float, str], limit: int
    ) -> tuple[int, tuple[float, str] | None]:
        """Look at the *limit* oldest jobs behind *after*; forget those that nothing needs.

        A job stays while a document of it waits or has failed and was not dismissed, while its
        idempotency key is remembered, and while a delete by filter grows. Its documents stay
        as they are.

        Args:
            older_than_seconds: how long ago they were accepted at least.
            after: time of acceptance and id of the last one that was looked at.
            limit: how many to look at.

        Returns:
            How many were forgotten, and where to go on; None when there are no more.
        """
        ...
