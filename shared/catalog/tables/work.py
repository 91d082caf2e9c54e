"""Submissions as they came, and the work on them."""

from sqlalchemy import ForeignKey, Index, PrimaryKeyConstraint, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from shared.catalog.tables.row import NO_REUSE, Row, partial


class JobRow(Row):
    """One accepted submission."""

    __tablename__ = "jobs"
    __table_args__ = (
        Index(None, "accepted_at"),
        Index(None, "collection_id", "accepted_at"),
        partial("ix_jobs_unfinished", "accepted_at", "id", where="finished_at IS NULL"),
    )

    id: Mapped[str] = mapped_column(primary_key=True)
    collection_id: Mapped[int] = mapped_column(ForeignKey("collections.id"))
    source: Mapped[str]
    producer: Mapped[str] = mapped_column(server_default=text("''"))
    """Who of its source sent it, as it says itself; empty if it does not."""
    key: Mapped[str | None]
    accepted_at: Mapped[float]
    cancelled_at: Mapped[float | None]
    extra: Mapped[str | None]
    """JSON object of fields that came with it and mean nothing here; NULL for none."""
    finished_at: Mapped[float | None]
    """When it was noticed, and told, that nothing of it waits any more; see `telling.py`."""


class DeletionRow(Row):
    """A delete by filter: its job grows in steps until it is done."""

    __tablename__ = "deletions"
    __table_args__ = (partial("ix_deletions_under_way", "job_id", where="done_at IS NULL"),)

    job_id: Mapped[str] = mapped_column(ForeignKey("jobs.id"), primary_key=True)
    condition: Mapped[str]
    """The filter, as JSON."""
    version: Mapped[int]
    """The head when it was accepted: what changed after that stays."""
    place: Mapped[int]
    """The revision up to which it has come."""
    last_place: Mapped[int]
    """The newest revision when it was accepted."""
    deleted: Mapped[int]
    skipped: Mapped[int]
    """Documents that matched but were changed since, or are about to be."""
    done_at: Mapped[float | None]


class FlowRow(Row):
    """Documents of one producer for one collection in one lane: what shares are fair between."""

    __tablename__ = "flows"
    __table_args__ = (PrimaryKeyConstraint("lane", "collection_id", "source", "producer"),)

    lane: Mapped[int]
    collection_id: Mapped[int] = mapped_column(ForeignKey("collections.id"))
    source: Mapped[str]
    producer: Mapped[str]
    finish: Mapped[int]
    """The turn at which all that it has handed in so far would be done."""


class KeyRow(Row):
    """An idempotency key and the job it stands for."""

    __tablename__ = "keys"
    __table_args__ = (
        UniqueConstraint("collection_id", "source", "key"),
        Index(None, "key"),
        NO_REUSE,
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    collection_id: Mapped[int] = mapped_column(ForeignKey("collections.id"))
    source: Mapped[str]
    key: Mapped[str]
    content_sha256: Mapped[str]
    # Deferred, because the key is taken before its job is written.
    job_id: Mapped[str] = mapped_column(
        ForeignKey("jobs.id", deferrable=True, initially="DEFERRED")
    )
    received_at: Mapped[float]


class RejectionRow(Row):
    """A message that was refused."""

    __tablename__ = "rejections"
    __table_args__ = (Index(None, "key"), NO_REUSE)

    id: Mapped[int] = mapped_column(primary_key=True)
    source: Mapped[str]
    reason: Mapped[str]
    detail: Mapped[str]
    collection: Mapped[str | None]
    key: Mapped[str | None]
    received_at: Mapped[float]
    form: Mapped[str] = mapped_column(server_default=text("'message'"))
    """What `raw` is: `message` as the queue held it, or `documents` as JSON."""
    size: Mapped[int | None]
    """Bytes that came; `raw` may be their beginning only. NULL where nobody counted."""
    replayed_at: Mapped[float | None]
    """When it was accepted after all."""
    job_id: Mapped[str | None]
    """The job that it then became."""
    raw: Mapped[bytes]


class ClaimRow(Row):
    """Revisions that one worker took together, and how it went."""

    __tablename__ = "claims"
    __table_args__ = (
        partial("ix_claims_active", "lease_until", where="state = 'active'"),
        Index(None, "lane", "turn"),
        NO_REUSE,
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    worker: Mapped[str]
    fingerprint: Mapped[str]
    lane: Mapped[int]
    state: Mapped[str]
    """`active`, `closed`, `released` or `revoked`."""
    documents: Mapped[int]
    characters: Mapped[int | None]
    """Titles and texts of its documents; NULL where nobody counted."""
    turn: Mapped[int | None]
    """The virtual time it moved its lane to (see `flows.py`); NULL for what was out of turn."""
    within: Mapped[int | None]
    """Another claim that its worker held when it took this one."""
    closed_by: Mapped[str]
    claimed_at: Mapped[float]
    lease_until: Mapped[float]
    ended_at: Mapped[float | None]
    reason: Mapped[str | None]
    """Why it was released or revoked."""
    chunks: Mapped[int | None]
    tokens: Mapped[int | None]
    padded_tokens: Mapped[int | None]
    seconds: Mapped[float | None]


class PassRow(Row):
    """One forward pass of a claim."""

    __tablename__ = "passes"
    __table_args__ = (PrimaryKeyConstraint("claim_id", "ordinal"),)

    claim_id: Mapped[int] = mapped_column(ForeignKey("claims.id"))
    ordinal: Mapped[int]
    rows: Mapped[int]
    tokens: Mapped[int]
    padded_tokens: Mapped[int]
    seconds: Mapped[float]


class ProcessRow(Row):
    """A process that said it is alive."""

    __tablename__ = "processes"

    process: Mapped[str] = mapped_column(primary_key=True)
    kind: Mapped[str]
    started_at: Mapped[float]
    beat_at: Mapped[float]
    detail: Mapped[str | None]
    """JSON object: what it says of itself (schema revision, encoders, trouble)."""
