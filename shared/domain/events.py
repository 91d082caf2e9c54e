"""What happened, and the webhooks that are told of it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from shared.domain.values import Json


class EventKind(StrEnum):
    """What can happen in a collection."""

    JOB_FINISHED = "job.finished"
    """Nothing of a job waits any more, whatever became of its documents."""
    DOCUMENT_FAILED = "document.failed"
    """A document was given up."""
    VERSION_PUBLISHED = "version.published"
    """There is a version with other content."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """Something that happened; ids rise in the order in which it did, without a gap."""

    id: int
    collection: str
    kind: EventKind
    at: float
    job_id: str | None
    content: Mapping[str, Json]


@dataclass(frozen=True, slots=True, kw_only=True)
class NewWebhook:
    """An address that shall be told of what happens in a collection."""

    url: str
    kinds: frozenset[EventKind]
    secret: str = field(repr=False)
    """`whsec_` and base64 of what signs each call."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Webhook:
    """An address that is told of what happens in a collection."""

    id: str
    collection: str
    url: str
    kinds: frozenset[EventKind]
    created_at: float
    disabled_at: float | None
    disabled_for: str | None
    """Why, in words."""
    waiting: int
    """Deliveries that are tried, or tried again, later."""


class DeliveryState(StrEnum):
    """How a delivery stands."""

    PENDING = "pending"
    DELIVERED = "delivered"
    FAILED = "failed"
    """It was given up; it can be replayed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """One event on its way to one webhook."""

    id: str
    """Stays the same in every try, so that the receiver knows one that came twice."""
    webhook_id: str
    event_id: int
    kind: EventKind
    body: str
    state: DeliveryState
    attempts: int
    due_at: float
    created_at: float
    status: int | None
    """HTTP status of the last answer."""
    error: str | None
    """Why the last try failed."""
    settled_at: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Parcel:
    """A delivery that is taken, and what sending it needs."""

    delivery: Delivery
    url: str
    secret: str = field(repr=False)
    now: float
    """By the catalog's clock, which signs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """How one try to deliver went."""

    status: int | None
    """None where no answer came."""
    error: str | None
    """None where it was taken."""
