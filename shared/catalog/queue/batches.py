"""What workers took together."""

from collections.abc import Mapping, Sequence

from sqlalchemy import Connection, Subquery, func, select

from shared.catalog.engine.dialect import AnyRow, AnySelect
from shared.catalog.tables import ClaimRow, PassRow, RevisionRow


def read_claims(
    tx: Connection, *, limit: int, job_id: str | None
) -> Sequence[Mapping[str, object]]:
    """Return the newest claims: worker, lane, documents, tokens, waste and so on.

    With *job_id* only those of the job, and `of_job` says how many documents of it.
    """
    passes = select(func.count()).where(PassRow.claim_id == ClaimRow.id).scalar_subquery()
    newest: AnySelect = select(ClaimRow.__table__, passes.label("passes"))
    if job_id is not None:
        mine = _of_job(job_id)
        newest = newest.add_columns(mine.c.of_job).join(mine, mine.c.claim_id == ClaimRow.id)
    rows = tx.execute(newest.order_by(ClaimRow.id.desc()).limit(limit)).all()
    return [_claim(row) for row in rows]


def _of_job(job_id: str) -> Subquery:
    """Return the claims that hold or finished documents of a job, and how many of them."""
    return (
        select(RevisionRow.claim_id, func.count().label("of_job"))
        .where(RevisionRow.job_id == job_id, RevisionRow.claim_id.is_not(None))
        .group_by(RevisionRow.claim_id)
        .subquery()
    )


def _claim(row: AnyRow) -> dict[str, object]:
    claim = dict(row._mapping)  # noqa: SLF001 - SQLAlchemy's public name for a row as a mapping
    padded, seconds = row.padded_tokens or 0, row.seconds or 0
    claim["padding_waste"] = 1 - row.tokens / padded if padded else 0.0
    claim["tokens_per_second"] = row.tokens / seconds if seconds else 0.0
    return claim
