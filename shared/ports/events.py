"""What happened, and telling webhooks of it. Any call may raise `CatalogUnavailable`."""

from collections.abc import Collection, Sequence
from typing import Protocol

from shared.domain import Delivery, Event, EventKind, NewWebhook, Parcel, Sent, Webhook


class Events(Protocol):
    """What happened, kept for a while."""

    def span(self) -> tuple[int, int]:
        """Return the id before the oldest event that is kept, and the id of the newest one ever.

        Whoever has seen the first, or a later one, has missed nothing.
        """
        ...

    def after(
        self,
        event_id: int,
        *,
        collections: Collection[str] | None = None,
        job_id: str | None = None,
        limit: int,
    ) -> Sequence[Event]:
        """Return the events with larger ids, in their order: of some collections, of one job."""
        ...

    def note(self, *, after: tuple[float, str], limit: int) -> tuple[int, tuple[float, str] | None]:
        """Look at *limit* jobs that are not known to be finished; tell of those that are by now.

        A job that ends with a commit is told of in it; this finds those that end otherwise, when
        they are cancelled or all of it was known before.

        Args:
            after: time of acceptance and id of the last one that was looked at.
            limit: how many to look at.

        Returns:
            How many are finished, and where to go on; None when there are no more.
        """
        ...

    def expire(self, *, older_than_seconds: float, limit: int) -> int:
        """Forget at most *limit* events, oldest first, that no webhook waits for; return how many.

        Whatever its age, none stays that is three times as old.
        """
        ...


class Webhooks(Protocol):
    """Who is told of what happens."""

    def add(self, collection: str, new: NewWebhook, *, most: int) -> Webhook:
        """Make a webhook, told of what happens from now on.

        Raises:
            CollectionNotFound: there is no such collection.
            InvalidRequest: the collection has *most* webhooks already.
        """
        ...

    def of(self, collection: str) -> Sequence[Webhook]:
        """Return the webhooks of a collection, oldest first.

        Raises:
            CollectionNotFound: there is no such collection.
        """
        ...

    def find(self, collection: str, webhook_id: str) -> Webhook:
        """Return a webhook of a collection.

        Raises:
            CollectionNotFound, WebhookNotFound
        """
        ...

    def change(
        self,
        collection: str,
        webhook_id: str,
        *,
        url: str | None = None,
        kinds: frozenset[EventKind] | None = None,
        enabled: bool | None = None,
    ) -> Webhook:
        """Change a webhook; None leaves something as it is.

        One that is enabled again is not told of what happened meanwhile.

        Raises:
            CollectionNotFound, WebhookNotFound
        """
        ...

    def remove(self, collection: str, webhook_id: str) -> None:
        """Remove a webhook and its deliveries.

        Raises:
            CollectionNotFound, WebhookNotFound
        """
        ...


class Deliveries(Protocol):
    """What is on its way to webhooks."""

    def make(self, *, limit: int) -> int:
        """Make deliveries of events that webhooks ask for, *limit* a webhook; return how many.

        In one transaction with how far each webhook has come: none is left out or made twice.
        """
        ...

    def take(self, *, limit: int, lease_seconds: float) -> Sequence[Parcel]:
        """Take deliveries that are due, oldest first; nobody else takes them for so long."""
        ...

    def settle(
        self, parcel: Parcel, sent: Sent, *, pause_seconds: float, give_up_seconds: float
    ) -> None:
        """Record how a try went; one that failed is due again after *pause_seconds*.

        Not after *give_up_seconds* since it was first due: then it has failed, and if its webhook
        took nothing else in all that time, that is disabled. It is so at once by the status 410.
        """
        ...

    def log(
        self, webhook_id: str, *, limit: int, before: tuple[float, str] | None = None
    ) -> Sequence[Delivery]:
        """Return the newest deliveries to a webhook, those before a place if given."""
        ...

    def replay(self, webhook_id: str, delivery_id: str) -> Delivery:
        """Make a delivery due again, now, whatever became of it.

        Raises:
            DeliveryNotFound: there is none.
        """
        ...

    def expire(self, *, older_than_seconds: float, limit: int) -> int:
        """Forget at most *limit* settled deliveries, oldest first; return how many."""
        ...
