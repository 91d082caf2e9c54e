"""Encoders: installed model folders, and text to vectors with transformers and torch.

Importing this package loads neither torch nor transformers: `ModelStore.load` does, so that
processes that never encode stay small.
"""

from shared.encoder.pull import pull
from shared.encoder.store import ModelStore

__all__ = ["ModelStore", "pull"]
