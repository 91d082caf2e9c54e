"""Record administrative acts that commands do, as the web process does for requests."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from shared.domain import LOCAL, Act
from shared.ports import Audit


@contextmanager
def recorded(
    audit: Audit, what: str, target: Mapping[str, str], *, kept_seconds: float
) -> Iterator[dict[str, str]]:
    """Record an act of the operator: before the block, and its outcome after it.

    The block may add to what it is given: names and ids that are known only afterwards. If the
    process dies inside, the entry stays without an outcome.
    """
    known = dict(target)
    act = Act(who=LOCAL.name, key_id=None, address="", what=what, target=known)
    entry_id = audit.begin(act, kept_seconds=kept_seconds)
    try:
        yield known
    except Exception:
        audit.end(entry_id, "failed", known)
        raise
    audit.end(entry_id, "done", known)
