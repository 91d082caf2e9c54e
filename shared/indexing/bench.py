"""What an index worker works with, and how its claims end."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from shared.domain import Claim, ClaimRecord
from shared.errors import Retryable
from shared.indexing.attention import Attention
from shared.indexing.pace import Backoff, Pace
from shared.measures.tally import Tally
from shared.ports import Claims, Collections, Encoders, IndexStore, Publications, Renditions
from shared.upkeep.room import Room


@dataclass(frozen=True, slots=True, kw_only=True)
class Bench:
    """What an index worker works with."""

    claims: Claims
    publications: Publications
    collections: Collections
    renditions: Renditions
    store: IndexStore
    encoders: Encoders
    room: Room
    worker: str
    pace: Pace
    lease_seconds: float
    max_documents: int
    max_crashes: int = 3
    """A document that surely made the memory run out so often is given up."""
    backoff: Backoff = field(default_factory=Backoff)
    attention: Attention = field(default_factory=Attention)
    tally: Tally = field(default_factory=Tally)
    owed: list[int] = field(default_factory=list)
    """Claims that could not be given back because the catalog was away."""
    hold_seconds: float = 30.0
    """How long other work of a collection may be held back for the end of its rebuild."""
    stopping: Callable[[], bool] = lambda: False
    """Whether this process shall end: what is not encoded yet is given back between passes."""


def accuse(bench: Bench, claim: Claim, reason: str) -> None:
    """Say that one of the claim's documents may have made the memory run out."""
    with _owing(bench, claim):
        bench.claims.accuse(
            claim.id, reason=f"Memory ran out ({reason}).", max_crashes=bench.max_crashes
        )


def give_back(bench: Bench, claim: Claim, reason: str) -> None:
    """Release *claim*, to be tried again later the more often this happened in a row."""
    delay = 0.0 if bench.stopping() else bench.backoff.fail(_fingerprint(claim))
    with _owing(bench, claim):
        bench.claims.release(claim.id, delay_seconds=delay, reason=reason)


def give_back_at_once(bench: Bench, claim: Claim, reason: str) -> None:
    """Release *claim*, to be taken again without delay."""
    with _owing(bench, claim):
        bench.claims.release(claim.id, delay_seconds=0.0, reason=reason)


def close(bench: Bench, claim: Claim, record: ClaimRecord) -> None:
    """End a claim that went well."""
    bench.backoff.succeed(_fingerprint(claim))
    with _owing(bench, claim):
        bench.claims.close(claim.id, record)


@contextmanager
def _owing(bench: Bench, claim: Claim) -> Iterator[None]:
    """Remember a claim that cannot be ended now: left alone, it would be taken for a dead one's."""
    try:
        yield
    except Retryable:
        bench.owed.append(claim.id)
        raise


def give_back_owed(bench: Bench) -> None:
    """Give back what could not be given back before.

    Raises:
        Retryable: the catalog is still away.
    """
    while bench.owed:
        reason = "The catalog was away when the work on it ended."
        bench.claims.release(bench.owed[-1], delay_seconds=0, reason=reason)
        bench.owed.pop()


def _fingerprint(claim: Claim) -> str:
    """Return the encoder that all of a claim's revisions have."""
    return claim.spaces[claim.revisions[0].collection_id].fingerprint
