"""Deliver events to webhooks, and try again what was not taken."""

import random
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from shared.domain import Parcel
from shared.failpoints import reach
from shared.ports import Deliveries, Events, Poster
from shared.webhooks.signing import sign

_AT_ONCE = 8
_STEP = 500
_LOOKED_AT = 2000
_FIRST_PAUSE_SECONDS = 5.0
_LONGEST_PAUSE_SECONDS = 2 * 3600.0
_GROWTH = 4.0
_FROM_THE_FIRST = (0.0, "")


@dataclass(slots=True, kw_only=True)
class Messenger:
    """Makes deliveries of what happened, and calls webhooks."""

    events: Events
    deliveries: Deliveries
    poster: Poster
    lease_seconds: float
    """How long a delivery is nobody else's; longer than a call may take."""
    give_up_seconds: float
    event_seconds: float
    """How long events are kept."""
    log_seconds: float
    """How long settled deliveries are."""
    place: tuple[float, str] = _FROM_THE_FIRST
    """The job up to which was looked for finished ones."""

    def note(self) -> bool:
        """Tell of some jobs that ended without a commit; whether there may be more.

        Where very many jobs wait, they are looked through a part at a time: while nothing is found
        there is no hurry.
        """
        found, place = self.events.note(after=self.place, limit=_LOOKED_AT)
        self.place = place or _FROM_THE_FIRST
        return bool(found)

    def deliver(self) -> bool:
        """Deliver some of what is due; whether there may be more.

        A process that dies after a call and before it could say so leaves a delivery that is sent
        again, under the same id.
        """
        made = self.deliveries.make(limit=_STEP)
        parcels = self.deliveries.take(limit=_AT_ONCE, lease_seconds=self.lease_seconds)
        if parcels:
            with ThreadPoolExecutor(_AT_ONCE) as threads:
                for done in [threads.submit(self._call, one) for one in parcels]:
                    done.result()
        return bool(made or parcels)

    def forget(self) -> bool:
        """Forget some events and deliveries kept long enough; whether there may be more."""
        events = self.events.expire(older_than_seconds=self.event_seconds, limit=_STEP)
        settled = self.deliveries.expire(older_than_seconds=self.log_seconds, limit=_STEP)
        return bool(events or settled)

    def _call(self, parcel: Parcel) -> None:
        delivery = parcel.delivery
        body = delivery.body.encode()
        headers = {
            "content-type": "application/json",
            **sign(parcel.secret, delivery.id, now=parcel.now, body=body),
        }
        sent = self.poster.post(parcel.url, headers, body)
        reach("webhook.sent")
        self.deliveries.settle(
            parcel,
            sent,
            pause_seconds=pause(delivery.attempts, random.uniform(0.8, 1.2)),  # noqa: S311 - jitter
            give_up_seconds=self.give_up_seconds,
        )


def pause(attempts: int, jitter: float) -> float:
    """Return how long to wait after so many tries: 5 s, 20 s, 80 s and so on up to two hours.

    Args:
        attempts: tries so far, at least one.
        jitter: what the pause is multiplied by, so that what failed together is not tried together.
    """
    exponent = min(attempts - 1, 20)  # far past the longest, and small enough for a float
    return min(_LONGEST_PAUSE_SECONDS, _FIRST_PAUSE_SECONDS * _GROWTH**exponent) * jitter
