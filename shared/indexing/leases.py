"""Keep a claim alive while its work is under way."""

import threading
from types import TracebackType
from typing import Self

from shared.errors import Fenced, Retryable
from shared.ports import Claims


class Lease:
    """Renews a claim every third of its lease, and knows when it was lost.

    A catalog that cannot be reached is tried again at the next beat: the lease outlives two
    missed ones, and a commit under a lost lease is refused in any case.
    """

    def __init__(self, claims: Claims, claim_id: int, seconds: float) -> None:
        self._claims = claims
        self._claim_id = claim_id
        self._seconds = seconds
        self._stop = threading.Event()
        self._lost = threading.Event()
        self._thread = threading.Thread(target=self._beat, name=f"lease-{claim_id}", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stop.set()
        self._thread.join()

    def check(self) -> None:
        """Raise if the claim was taken away.

        Raises:
            Fenced: it was; whatever is done under it will be refused.
        """
        if self._lost.is_set():
            raise Fenced(f"Claim {self._claim_id} was taken away.")

    def _beat(self) -> None:
        while not self._stop.wait(self._seconds / 3):
            try:
                self._claims.renew(self._claim_id, self._seconds)
            except Fenced:
                self._lost.set()
                return
            except Retryable:
                continue
