"""The linear layer that some models put after the pooling."""

from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from shared.encoder.model_files import weight_files
from shared.encoder.spec import DenseSpec
from shared.errors import ModelRefused


class Dense(nn.Module):
    """`activation(W x + b)`, plus the (projected) input if the spec says residual."""

    def __init__(self, spec: DenseSpec) -> None:
        super().__init__()
        self.linear = nn.Linear(spec.in_features, spec.out_features, bias=spec.bias)
        self.activation = getattr(nn, spec.activation)()
        self._residual = spec.residual
        if spec.residual and spec.in_features != spec.out_features:
            self.residual = nn.Linear(spec.in_features, spec.out_features, bias=False)

    def forward(self, vectors: Tensor) -> Tensor:
        """Map `(batch, in)` to `(batch, out)`."""
        out: Tensor = self.activation(self.linear(vectors))
        if self._residual:
            out = out + (self.residual(vectors) if hasattr(self, "residual") else vectors)
        return out


def load_dense(model: Path, spec: DenseSpec) -> Dense:
    """Load the layer from its folder inside the *model* folder, as float32.

    Raises:
        ModelRefused: the weights are not those of such a layer.
    """
    layer = Dense(spec)
    weights: dict[str, Tensor] = {}
    for name in weight_files(model / spec.folder):
        weights |= load_file(model / spec.folder / name)
    try:
        layer.load_state_dict({key: value.to(torch.float32) for key, value in weights.items()})
    except RuntimeError as error:
        raise ModelRefused(f"The model's {spec.folder} weights do not fit: {error}") from error
    return layer.eval()
