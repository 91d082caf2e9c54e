"""Token vectors to one vector a text. Padding is on the right everywhere in Lamina."""

import torch
from torch import Tensor

from shared.encoder.spec import PoolingSpec

LEAST = 1e-9
"""Divisor of a text without tokens, as in sentence-transformers."""


def pool(tokens: Tensor, mask: Tensor, spec: PoolingSpec, prompt_tokens: int = 0) -> Tensor:
    """Pool each text by every mode of *spec* and concatenate.

    Args:
        tokens: last hidden state, `(batch, length, dimension)` float32.
        mask: 1 for a token, 0 for padding, `(batch, length)` int64.
        spec: the modes, in order.
        prompt_tokens: leading tokens of each text that belong to the prompt; left out when
            the spec excludes the prompt.

    Returns:
        `(batch, modes x dimension)` float32.

    Source:
        Reimers and Gurevych, "Sentence-BERT", EMNLP 2019, section 3; the behaviour of
        sentence-transformers 6.2 where the paper is silent.
    """
    if prompt_tokens and not spec.include_prompt:
        mask = mask.clone()
        mask[:, :prompt_tokens] = 0
    return torch.cat([_MODES[mode](tokens, mask) for mode in spec.modes], dim=1)


def mean(tokens: Tensor, mask: Tensor) -> Tensor:
    """Average the unmasked tokens; a text without any becomes the zero row."""
    weights = mask.unsqueeze(-1).to(tokens.dtype)  # (batch, length, 1)
    return (tokens * weights).sum(dim=1) / weights.sum(dim=1).clamp(min=LEAST)


def mean_sqrt_len(tokens: Tensor, mask: Tensor) -> Tensor:
    """Add the unmasked tokens and divide by the square root of their number."""
    weights = mask.unsqueeze(-1).to(tokens.dtype)
    return (tokens * weights).sum(dim=1) / weights.sum(dim=1).clamp(min=LEAST).sqrt()


def weighted_mean(tokens: Tensor, mask: Tensor) -> Tensor:
    """Average the unmasked tokens, each weighted by its position counted from 1."""
    positions = _count(tokens, 1, tokens.shape[1] + 1).to(tokens.dtype).view(1, -1, 1)
    weights = mask.unsqueeze(-1).to(tokens.dtype) * positions
    return (tokens * weights).sum(dim=1) / weights.sum(dim=1).clamp(min=LEAST)


def maximum(tokens: Tensor, mask: Tensor) -> Tensor:
    """Take the largest value of each dimension over the unmasked tokens."""
    hidden = mask.unsqueeze(-1) == 0
    return tokens.masked_fill(hidden, float("-inf")).max(dim=1).values


def first_token(tokens: Tensor, mask: Tensor) -> Tensor:
    """Take the first unmasked token (CLS); the first of all if every one is masked."""
    index = mask.argmax(dim=1)
    return tokens[_count(tokens, 0, len(tokens)), index]


def last_token(tokens: Tensor, mask: Tensor) -> Tensor:
    """Take the last unmasked token; zero if every one is masked."""
    index = (mask * _count(mask, 1, mask.shape[1] + 1)).argmax(dim=1)
    return (tokens * mask.unsqueeze(-1))[_count(tokens, 0, len(tokens)), index]


def _count(beside: Tensor, first: int, end: int) -> Tensor:
    return torch.arange(first, end, device=beside.device)


_MODES = {
    "cls": first_token,
    "max": maximum,
    "mean": mean,
    "mean_sqrt_len_tokens": mean_sqrt_len,
    "weightedmean": weighted_mean,
    "lasttoken": last_token,
}
