"""Webhooks and what was delivered to them."""

from typing import Annotated, Self

from pydantic import Field

from shared.domain import Delivery, DeliveryState, EventKind, Webhook
from web.api.models.base import (
    Body,
    CollectionPath,
    NewestFirst,
    Question,
    Shape,
    Text,
    Time,
    behind,
)

_ALL = tuple(EventKind)

Kinds = Annotated[list[EventKind], Field(min_length=1, max_length=len(_ALL))]


class WebhookPath(CollectionPath):
    """The address of a webhook."""

    webhook_id: Text


class DeliveryPath(WebhookPath):
    """The address of a delivery."""

    delivery_id: Text


class NewWebhookBody(Question):
    """A webhook to make."""

    url: Text = Field(min_length=1, max_length=2000)
    """Where to POST to: `https://…` or `http://…`. Redirects are not followed."""

    events: Kinds = Field(default_factory=lambda: list(_ALL))
    """What to tell of; by default everything."""

    secret: Text | None = Field(default=None, max_length=100)
    """`whsec_` and the base64 of 24 to 64 random bytes; by default a new one."""


class WebhookChange(Body):
    """What of a webhook to change; what is left out stays as it is."""

    url: Text | None = Field(default=None, min_length=1, max_length=2000)
    """Where to POST to."""

    events: Kinds | None = None
    """What to tell of."""

    enabled: bool | None = None
    """Whether it is told at all. What happens while it is not is never told."""


class WebhookShape(Shape):
    """A webhook, without its secret."""

    id: str
    collection: str
    url: str
    events: list[EventKind]
    created_at: Time
    enabled: bool
    disabled_at: Time | None
    disabled_for: str | None
    """Why it is told no more."""
    waiting: int
    """Deliveries that are tried, or tried again, later."""

    @classmethod
    def of(cls, webhook: Webhook) -> Self:
        """Return what the API shows of a webhook."""
        return cls(
            id=webhook.id,
            collection=webhook.collection,
            url=webhook.url,
            events=sorted(webhook.kinds),
            created_at=webhook.created_at,
            enabled=webhook.disabled_at is None,
            disabled_at=webhook.disabled_at,
            disabled_for=webhook.disabled_for,
            waiting=webhook.waiting,
        )


class MadeWebhook(Shape):
    """A new webhook."""

    secret: str
    """What signs each call. Shown this once."""
    webhook: WebhookShape


class WebhookList(Shape):
    """The webhooks of a collection, oldest first."""

    webhooks: list[WebhookShape]


class DeliveriesQuery(Question):
    """Which deliveries to list."""

    limit: int = Field(default=20, ge=1, le=100)
    cursor: NewestFirst | None = None
    """`next_cursor` of the page before."""

    @property
    def before(self) -> tuple[float, str] | None:
        """Where the page before ended."""
        return behind(self.cursor)


class DeliveryShape(Shape):
    """One event on its way to one webhook."""

    id: str
    """Sent as `webhook-id`, the same in every try."""
    event: int
    type: EventKind
    state: DeliveryState
    attempts: int
    status: int | None
    """HTTP status of the last answer."""
    error: str | None
    """Why the last try failed."""
    created_at: Time
    due_at: Time | None
    """When it is tried again; null once it is settled."""
    settled_at: Time | None
    body: str

    @classmethod
    def of(cls, delivery: Delivery) -> Self:
        """Return what the API shows of a delivery."""
        return cls(
            id=delivery.id,
            event=delivery.event_id,
            type=delivery.kind,
            state=delivery.state,
            attempts=delivery.attempts,
            status=delivery.status,
            error=delivery.error,
            created_at=delivery.created_at,
            due_at=delivery.due_at if delivery.state is DeliveryState.PENDING else None,
            settled_at=delivery.settled_at,
            body=delivery.body,
        )


class DeliveryList(Shape):
    """Deliveries, newest first."""

    deliveries: list[DeliveryShape]
    next_cursor: str | None
    """Null on the last page."""
