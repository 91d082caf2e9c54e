"""Keep a claim alive while its work is under way."""

from types import TracebackType
from typing import Self

from shared.errors import Fenced
from shared.heartbeat import Heartbeat
from shared.ports import Claims


class Lease:
    """Renews a claim every third of its lease, and knows when it was lost.

    A commit under a lost lease is refused in any case.
    """

    def __init__(self, claims: Claims, claim_id: int, seconds: float) -> None:
        self._claim_id = claim_id
        self._heartbeat = Heartbeat(
            lambda: claims.renew(claim_id, seconds), seconds / 3, name=f"claim {claim_id}"
        )

    def __enter__(self) -> Self:
        self._heartbeat.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._heartbeat.stop()

    def check(self) -> None:
        """Raise if the claim was taken away.

        Raises:
            Fenced: it was; whatever is done under it will be refused.
        """
        if self._heartbeat.lost:
            raise Fenced(f"Claim {self._claim_id} was taken away.") from self._heartbeat.lost
