"""Which versions a retention rule lets go: a pure function of what there is and the time."""

from collections.abc import Sequence

from shared.domain import KeptVersion, RetentionRule

_MINUTE, _HOUR, _DAY = 60, 3600, 86_400

_THINNING = ((_MINUTE, 0), (_HOUR, _HOUR), (_DAY, _DAY))
"""Spans of the clock (seconds), and the age from which only the newest version of one stays."""


def expendable(
    versions: Sequence[KeptVersion], rule: RetentionRule, *, head: int, now: float
) -> tuple[int, ...]:
    """Return which of the live *versions* the rule lets go, oldest first.

    The head, tagged and leased versions always stay. Merges and relays are no content: the
    version before one says the same and is the one that users know. Of the versions with
    content the newest `rule.versions` stay, and of those older than these:

    - all go that are `rule.days` old or older;
    - if thinned, one goes when a newer one of them was published in the same minute; or in
      the same hour, once the newer one is an hour old; or on the same day (UTC), once the newer
      one is a day old. So one a minute of the last hour stays, one an hour of the last day, and
      one a day of the rest: the newest each time.

    The answer only grows as time passes and versions are published: what went is never missed
    later, so it does not matter how often this is asked. A version from the future, after the
    clock was set back, has the age 0.

    Args:
        versions: of one collection, in any order; expired ones are passed over.
        rule: the collection's.
        head: number of its newest version.
        now: by the clock that stamped the versions, seconds since 1970.

    Source:
        Grandfather-father-son rotation. Spans of the clock rather than of ages, because those
        of one rank nest in those of the next: the newest version of a day is also the newest
        of its hour and minute, hence still there when its turn comes.

    """
    live = [one for one in versions if one.expired_at is None]
    content = sorted(
        (one for one in live if one.kind.has_content), key=lambda one: one.version, reverse=True
    )
    staying = {one.version for one in content[: rule.versions]}
    older = [one for one in content[rule.versions :] if _age(one, now) < rule.days * _DAY]
    staying |= _thinned(older, now) if rule.thinned else {one.version for one in older}
    return tuple(
        sorted(
            one.version
            for one in live
            if not (one.version in staying or one.version == head or one.tags or one.leased)
        )
    )


def _thinned(versions: Sequence[KeptVersion], now: float) -> set[int]:
    """Return the newest of each span of the clock, for the spans that have come of age.

    Versions that go take their spans too: whether one goes must not depend on whether a newer
    one was let go before.
    """
    staying = set()
    taken: set[tuple[int, int]] = set()
    for one in sorted(versions, key=lambda one: (one.published_at, one.version), reverse=True):
        spans = {(length, int(one.published_at // length)) for length, _ in _THINNING}
        if not spans & taken:
            staying.add(one.version)
        age = _age(one, now)
        taken |= {
            (length, int(one.published_at // length)) for length, since in _THINNING if age >= since
        }
    return staying


def _age(version: KeptVersion, now: float) -> float:
    return max(0.0, now - version.published_at)
