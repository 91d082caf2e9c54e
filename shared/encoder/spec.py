"""What a model directory asks for, as frozen values."""

from dataclasses import dataclass
from typing import TypeAlias

from shared.domain import Metric


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolingSpec:
    """How token vectors become one vector; several modes are concatenated in this order."""

    modes: tuple[str, ...]
    include_prompt: bool = True
    """Whether the tokens of the prompt count."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DenseSpec:
    """A linear layer with an activation."""

    folder: str
    in_features: int
    out_features: int
    bias: bool
    activation: str
    """Name of a class in `torch.nn`."""
    residual: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class NormalizeSpec:
    """Scale to unit length."""


LayerSpec: TypeAlias = PoolingSpec | DenseSpec | NormalizeSpec


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelSpec:
    """Everything between a text and its vector that is not a weight or a token."""

    transformer: str
    """Folder of the Transformer inside the model's folder; empty for the top."""
    model_class: str
    """Name of the transformers class that loads the weights."""
    layers: tuple[LayerSpec, ...]
    """In the order they run; the first is the pooling."""
    dimension: int
    """Of a vector, after `truncate_dim`."""
    max_tokens: int
    """Tokens read of a text, special tokens and prompt included."""
    lower_case: bool
    query_prompt: str
    document_prompt: str
    truncate_dim: int | None
    metric: Metric

    @property
    def pooling(self) -> PoolingSpec:
        """The pooling layer."""
        return next(layer for layer in self.layers if isinstance(layer, PoolingSpec))
