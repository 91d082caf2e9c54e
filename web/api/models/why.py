"""Why something waits."""

from collections.abc import Sequence
from typing import Any, Self

from pydantic import model_validator

from shared.domain import Json, Reason, rfc3339
from web.api.models.base import Question, Shape, Text

_TIMES = frozenset({"claimed_at", "lease_until", "since", "until"})


class WhyQuery(Question):
    """What is asked about: a document of a collection, or a message."""

    collection: Text | None = None
    document: Text | None = None
    key: Text | None = None
    """Idempotency key of a message or request."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        of_document = self.collection is not None and self.document is not None
        of_either = self.collection is not None or self.document is not None
        if of_document == (self.key is not None) or of_document != of_either:
            raise ValueError("name a `collection` and a `document`, or a `key`")
        return self


class ReasonShape(Shape):
    """One reason."""

    code: str
    """For programs: `waiting`, `encoding`, `publishing`, `delayed`, `suspect`, `no-worker`,
    `no-encoder`, `worker-trouble`, `disk-full`, `lease-expired`, `job-cancelled`, `growing`; the
    state of what is settled; of messages `rejected`, `not-seen`, `no-intake`, `intake-trouble`,
    `messages-waiting`, `queue-empty`, `broker-away`."""
    sentence: str
    """For people."""
    details: dict[str, Any]
    """What the sentence was made of."""


class WhyShape(Shape):
    """Why something waits, or how it ended."""

    reasons: list[ReasonShape]
    """The most important first."""

    @classmethod
    def of(cls, reasons: Sequence[Reason]) -> Self:
        """Return what the API shows of reasons."""
        return cls(reasons=[_shape(one) for one in reasons])


def _shape(reason: Reason) -> ReasonShape:
    details = {name: _outside(name, value) for name, value in reason.details.items()}
    return ReasonShape(code=reason.code, sentence=reason.sentence, details=details)


def _outside(name: str, value: Json) -> Json:
    """Write a time as the API writes times."""
    return rfc3339(value) if name in _TIMES and isinstance(value, float) else value
