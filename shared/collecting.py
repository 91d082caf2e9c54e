"""Create collections, and say what their spaces shall be."""

from shared.domain import (
    DEFAULT_INDEX_RULE,
    DEFAULT_RETENTION_RULE,
    Chunking,
    Collection,
    IndexRule,
    Metric,
    RetentionRule,
    SpaceDraft,
)
from shared.errors import Fault, InvalidRequest
from shared.ports import Collections, Encoders

_LEAST_TOKENS = 16


def create_collection(  # noqa: PLR0913 - one parameter a rule
    collections: Collections,
    encoders: Encoders,
    name: str,
    *,
    encoder: str,
    metric: Metric | None = None,
    chunking: Chunking | None = None,
    index: IndexRule = DEFAULT_INDEX_RULE,
    retention: RetentionRule = DEFAULT_RETENTION_RULE,
    keep_originals: bool = False,
) -> Collection:
    """Create a collection whose metric is, by default, what its encoder was trained for.

    Raises:
        InvalidRequest: a bad name, or a chunking rule that the encoder cannot follow.
        EncoderNotInstalled: no such encoder here.
        CollectionExists: the name is taken.
    """
    draft = draft_space(encoders, encoder, metric=metric, chunking=chunking)
    return collections.create(
        name, draft, index=index, retention=retention, keep_originals=keep_originals
    )


def draft_space(
    encoders: Encoders,
    encoder: str,
    *,
    metric: Metric | None = None,
    chunking: Chunking | None = None,
) -> SpaceDraft:
    """Return what a space shall be; its metric is, by default, what its encoder was trained for.

    Raises:
        InvalidRequest: a chunking rule that the encoder cannot follow.
        EncoderNotInstalled: no such encoder here.
    """
    card = encoders.card(encoder)
    rule = chunking or Chunking(overlap_tokens=min(32, card.max_tokens // 4))
    most = rule.max_tokens or card.max_tokens
    if not _LEAST_TOKENS <= most <= card.max_tokens:
        detail = f"must be {_LEAST_TOKENS} to {card.max_tokens}, which is what {card.name} reads"
        raise _refusal("max_tokens", detail)
    if not 0 <= rule.overlap_tokens <= most // 2:
        raise _refusal("overlap_tokens", f"must be 0 to {most // 2}")
    return SpaceDraft(encoder=card, metric=metric or card.metric, chunking=rule)


def _refusal(field: str, detail: str) -> InvalidRequest:
    return InvalidRequest(f"chunking.{field} {detail}.", [Fault(f"/chunking/{field}", detail)])
