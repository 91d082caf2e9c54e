"""Give versions new manifests under their old numbers: the protocol of purges and repairs.

As in publishing, files come first and then one short transaction, which compares the manifest of
*every* kept version with what was read. So nothing published, expired or rewritten meanwhile is
overlooked: the loser reads again, and writes only what is missing. Dying before the transaction
leaves files that no version names, dying after it leaves the old ones; both are garbage.

A new manifest keeps the `parent_sha256` that its version was published with.
"""

import random
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import TypeAlias

from shared.domain import Attempt, Head, Manifest, Rewriting, Segment
from shared.errors import CommitUnknown, Fenced, Retryable, VersionConflict
from shared.failpoints import reach
from shared.ports import IndexStore, Publications, Versions

_FIRST_PAUSE_SECONDS = 0.005
_LONGEST_PAUSE_SECONDS = 0.25
_UNKNOWN_TRIES = 40

_Written: TypeAlias = dict[Manifest, tuple[str, str]]
"""File name and sha256 by manifest."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal:
    """What all kept versions were read as, and what some of them shall be."""

    heads: tuple[Head, ...]
    manifests: tuple[Manifest, ...]
    """Of the versions that change, under their old numbers."""
    new_segments: tuple[Segment, ...] = ()
    """Written under the attempt; those that no manifest lists are left out."""
    parts: tuple[str, ...] = ()
    """What the segments of a rebuild under way were read as."""
    new_parts: Mapping[str, Segment | None] = field(default_factory=dict)
    """What takes the place of some of them, by their ids."""
    purged: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Press:
    """What rewriting works with."""

    publications: Publications
    versions: Versions
    store: IndexStore


def rewrite_until_settled(
    press: Press, attempt: Attempt, propose: Callable[[], Proposal]
) -> Proposal:
    """Propose and rewrite again and again until this attempt has won or is fenced off.

    A proposal that changes nothing ends it without a transaction.

    Args:
        press: the ports.
        attempt: registered for it, without a claim.
        propose: reads the kept versions anew each time; what it wrote before, it may keep.

    Returns:
        the proposal that was committed.

    Raises:
        Fenced: the attempt was revoked.
    """
    written: _Written = {}
    unknown: Proposal | None = None
    pause = _FIRST_PAUSE_SECONDS
    while True:
        proposal = propose()
        if not proposal.manifests and proposal.purged is None:
            return proposal
        _write(press.store, proposal, written)
        reach("rewrite.written")
        try:
            press.publications.rewrite(_rewriting(attempt, proposal, written))
        except VersionConflict:
            time.sleep(random.uniform(0, pause))  # noqa: S311 - jitter
            pause = min(2 * pause, _LONGEST_PAUSE_SECONDS)
        except CommitUnknown:
            unknown = proposal
            if _committed(press.versions, attempt):
                return unknown
        except Fenced:  # perhaps by itself: the commit with the lost reply came through late
            if unknown is None or not _committed(press.versions, attempt):
                raise
            return unknown
        else:
            reach("rewrite.committed")
            return proposal


def _write(store: IndexStore, proposal: Proposal, written: _Written) -> None:
    """Write the manifests that were not in an earlier proposal."""
    for manifest in proposal.manifests:
        if manifest not in written:
            written[manifest] = store.write_manifest(manifest)


def _rewriting(attempt: Attempt, proposal: Proposal, written: _Written) -> Rewriting:
    heads = {head.version: head for head in proposal.heads}
    listed = {segment.id for manifest in proposal.manifests for segment in manifest.segments}
    return Rewriting(
        attempt=attempt,
        heads=proposal.heads,
        rewritten=tuple(
            replace(
                heads[manifest.version],
                manifest_file=written[manifest][0],
                manifest_sha256=written[manifest][1],
            )
            for manifest in proposal.manifests
        ),
        vectors={one.version: one.live for one in proposal.manifests},
        bytes={one.version: one.bytes for one in proposal.manifests},
        segments={one.version: len(one.segments) for one in proposal.manifests},
        new_segments=tuple(one for one in proposal.new_segments if one.id in listed),
        parts=proposal.parts,
        new_parts=proposal.new_parts,
        purged=proposal.purged,
    )


def _committed(versions: Versions, attempt: Attempt) -> bool:
    """Ask until the catalog says whether the attempt was committed."""
    for _ in range(_UNKNOWN_TRIES):
        try:
            return _state(versions, attempt) == "committed"
        except Retryable:
            time.sleep(_LONGEST_PAUSE_SECONDS)
    return _state(versions, attempt) == "committed"


def _state(versions: Versions, attempt: Attempt) -> str:
    standing = versions.attempts([attempt.id]).get(attempt.id)
    return standing.state if standing else "unknown"
