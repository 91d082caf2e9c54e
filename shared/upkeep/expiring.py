"""Forget idempotency keys, refused messages and finished jobs that were kept long enough."""

from shared.ports import Expiry

_DAY_SECONDS = 86_400.0
_STEP = 500
_FROM_THE_FIRST = (0.0, "")


class Sweep:
    """Goes through what may be forgotten, a step at a time.

    A process that ends begins anew; several at once only look twice.
    """

    def __init__(
        self, expiry: Expiry, *, key_days: float, job_days: float, rejection_days: float
    ) -> None:
        """Keep everything for so many days."""
        self._expiry = expiry
        self._key_seconds = key_days * _DAY_SECONDS
        self._job_seconds = job_days * _DAY_SECONDS
        self._rejection_seconds = rejection_days * _DAY_SECONDS
        self._place = _FROM_THE_FIRST

    def take(self) -> bool:
        """Do a step; whether there may be more to forget."""
        # Keys first: a job stays as long as its key.
        keys = self._expiry.expire_keys(older_than_seconds=self._key_seconds, limit=_STEP)
        refused = self._expiry.expire_rejections(
            older_than_seconds=self._rejection_seconds, limit=_STEP
        )
        if keys or refused:
            return True
        _, place = self._expiry.expire_jobs(
            older_than_seconds=self._job_seconds, after=self._place, limit=_STEP
        )
        self._place = place or _FROM_THE_FIRST
        return place is not None
