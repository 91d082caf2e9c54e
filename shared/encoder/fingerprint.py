"""One hash over everything that changes a vector."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from shared.encoder.model_files import TOKENIZER_FILES, read_json, weight_files
from shared.encoder.record import ModelFile
from shared.encoder.spec import DenseSpec, ModelSpec

RECIPE = "lamina-encoder-1"
"""Changes whenever Lamina itself turns the same files into other vectors."""

# Where a file came from and who wrote it; no vector depends on these.
HISTORY = frozenset(
    {"_name_or_path", "name_or_path", "special_tokens_map_file", "tokenizer_file"}
    | {"transformers_version", "dtype", "torch_dtype", "use_cache", "gradient_checkpointing"}
)


def fingerprint(folder: Path, spec: ModelSpec, files: Sequence[ModelFile]) -> str:
    """Return the sha256 that names the encoder in *folder*, as hex.

    It covers weights, tokenizer, the Transformer's config, pooling and other layers, prompts,
    limit and `truncate_dim`; not the paths, the model's name, or where it came from.
    """
    hashes = {file.path: file.sha256 for file in files}
    home = folder / spec.transformer
    prefix = f"{spec.transformer}/" if spec.transformer else ""
    parts = {
        "recipe": RECIPE,
        "spec": {**asdict(spec), "transformer": None, "layers": None},
        "layers": [
            {**asdict(layer), "folder": None, "kind": type(layer).__name__} for layer in spec.layers
        ],
        "config": _lasting(read_json(home / "config.json")),
        "weights": [hashes[prefix + name] for name in weight_files(home)],
        "layer_weights": [
            hashes[f"{layer.folder}/{name}"]
            for layer in spec.layers
            if isinstance(layer, DenseSpec)
            for name in weight_files(folder / layer.folder)
        ],
        "tokenizer": {
            name: _tokenizer_part(home / name, hashes[prefix + name])
            for name in sorted(TOKENIZER_FILES)
            if prefix + name in hashes
        },
    }
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def _tokenizer_part(path: Path, sha256: str) -> object:
    # tokenizer_config.json names the path that its author saved it from.
    return _lasting(read_json(path)) if path.name == "tokenizer_config.json" else sha256


def _lasting(config: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in config.items() if key not in HISTORY}
