"""The rules of a collection: how its index is laid out, and which versions stay."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Self

from pydantic import Field

from shared.domain import (
    DEFAULT_INDEX_RULE,
    DEFAULT_RETENTION_RULE,
    IndexRule,
    Policy,
    RetentionRule,
    Segment,
)
from web.api.models.base import LARGEST_INTEGER, Body, Shape

LOWEST_RECALL, HIGHEST_RECALL = 0.5, 0.999
MOST_VERSIONS = 1_000_000
MOST_DAYS = 36_500


class IndexRuleShape(Shape):
    """What a collection wants of its index."""

    policy: Policy
    recall_target: float
    """Share of the exact best 10 that a search must find."""
    memory_limit_bytes: int | None
    """What its search structures may hold in memory; null for no limit."""

    @classmethod
    def of(cls, rule: IndexRule) -> Self:
        """Return what the API shows of a rule."""
        return cls(
            policy=rule.policy,
            recall_target=rule.recall_target,
            memory_limit_bytes=rule.memory_limit_bytes,
        )


class RetentionShape(Shape):
    """Which versions stay besides the newest, tagged ones and those in use."""

    versions: int
    """The newest versions with other content than the one before."""
    days: float
    """How long older ones stay."""
    thinned: bool
    """Of the older ones, one a minute of the last hour, one an hour of the last day, one a day
    of the rest."""

    @classmethod
    def of(cls, rule: RetentionRule) -> Self:
        """Return what the API shows of a rule."""
        return cls(versions=rule.versions, days=rule.days, thinned=rule.thinned)


class IndexRuleChange(Body):
    """What a collection shall want of its index; what is left out stays as it is."""

    policy: Policy = DEFAULT_INDEX_RULE.policy
    """`auto` chooses by size, memory limit and measured recall."""

    recall_target: float = Field(
        default=DEFAULT_INDEX_RULE.recall_target, ge=LOWEST_RECALL, le=HIGHEST_RECALL
    )
    """Share of the exact best 10 that a search must find."""

    memory_limit_bytes: int | None = Field(
        default=DEFAULT_INDEX_RULE.memory_limit_bytes, ge=1, le=LARGEST_INTEGER
    )
    """What its search structures may hold in memory; null for no limit."""

    def applied(self, rule: IndexRule) -> IndexRule:
        """Return *rule* with what was sent."""
        return replace(rule, **self.model_dump(exclude_unset=True))


class RetentionChange(Body):
    """Which versions shall stay; what is left out stays as it is."""

    versions: int = Field(default=DEFAULT_RETENTION_RULE.versions, ge=1, le=MOST_VERSIONS)
    """The newest versions with other content than the one before."""

    days: float = Field(default=DEFAULT_RETENTION_RULE.days, ge=0, le=MOST_DAYS)
    """How long older ones stay; 0 for not at all."""

    thinned: bool = DEFAULT_RETENTION_RULE.thinned
    """Of the older ones, one a minute of the last hour, one an hour of the last day, one a day
    of the rest; false keeps all of them."""

    def applied(self, rule: RetentionRule) -> RetentionRule:
        """Return *rule* with what was sent."""
        return replace(rule, **self.model_dump(exclude_unset=True))


class LayoutShape(Shape):
    """The segments of a version that are searched in one way."""

    policy: Policy
    segments: int
    vectors: int
    """Live ones."""
    recall: float | None
    """Lowest measured recall@10 of a segment; null where every vector is looked at."""
    memory_bytes: int
    """What searching them touches all the time."""

    @classmethod
    def by_policy(cls, segments: Sequence[Segment]) -> list[Self]:
        """Return how segments are laid out, by policy."""
        parts: dict[Policy, list[Segment]] = {}
        for one in segments:
            parts.setdefault(policy_of(one), []).append(one)
        return [cls._of(policy, parts[policy]) for policy in sorted(parts)]

    @classmethod
    def _of(cls, policy: Policy, segments: Sequence[Segment]) -> Self:
        measured = [one.layout.recall for one in segments if one.layout]
        return cls(
            policy=policy,
            segments=len(segments),
            vectors=sum(one.live for one in segments),
            recall=min((one for one in measured if one is not None), default=None),
            memory_bytes=sum(map(memory_of, segments)),
        )


def policy_of(segment: Segment) -> Policy:
    """Return how a segment is searched: flat as it was appended, or as it was laid out."""
    return segment.layout.policy if segment.layout else Policy.FLAT


def memory_of(segment: Segment) -> int:
    """Return the bytes that searching a segment touches; a flat one's are its vectors."""
    return segment.layout.memory_bytes if segment.layout else segment.bytes
