"""What happened."""

from collections.abc import Mapping
from typing import Any, Self

from flask_openapi3.models.media_type import MediaType
from flask_openapi3.models.schema import Schema
from pydantic import ConfigDict, Field

from shared.domain import Event, EventKind
from web.api.models.base import LARGEST_INTEGER, Question, Shape, Text, Time, WholeNumber
from web.streams import SSE

# Of each event of a stream.
_LINES = Schema(
    type="object",
    properties={name: Schema(type="string") for name in ("id", "event", "data")},
)


class EventsQuery(Question):
    """Which events, and how."""

    collection: Text | None = None
    """Of one collection; by default of all that the key opens."""

    after: WholeNumber | None = None
    """Those after this one; by default those from now on."""

    stream: bool = True
    """`false` answers at once, as JSON, with what there is."""


class JobEventsQuery(Question):
    """Which events of a job, and how."""

    after: WholeNumber | None = None
    """Those after this one; by default all that are kept."""

    stream: bool = True
    """`false` answers at once, as JSON, with what there is."""


class EventsHeader(Shape):
    """Where a stream is taken up again."""

    model_config = ConfigDict(extra="ignore")

    last_event_id: int | None = Field(default=None, alias="Last-Event-ID", ge=0, le=LARGEST_INTEGER)
    """The last event that was seen; browsers send it by themselves."""


class EventShape(Shape):
    """Something that happened."""

    id: int
    type: EventKind
    timestamp: Time
    data: Mapping[str, Any]

    @classmethod
    def of(cls, event: Event) -> Self:
        """Return what the API shows of an event."""
        return cls(
            id=event.id,
            type=event.kind,
            timestamp=event.at,
            data={"collection": event.collection, **event.content},
        )


class EventList(Shape):
    """Events, oldest first."""

    model_config = ConfigDict(
        openapi_extra={  # type: ignore[typeddict-unknown-key]  # the framework reads it
            "description": "A stream of events, or with `stream=false` a list of them.",
            "content": {SSE: MediaType(schema=_LINES)},
        }
    )

    events: list[EventShape]
    last: int
    """Ask for those `after` this one the next time."""
    missed: bool
    """Whether some are not kept any more that came between `after` and these."""
