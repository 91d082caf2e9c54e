"""Read a model directory into a `ModelSpec`, or say by name what in it cannot be honoured.

The formats are those that sentence-transformers writes: the old one (1.x to 5.x) and the new
one (6.x), and a plain transformers directory without `modules.json`.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeAlias

from shared.domain import Metric
from shared.encoder import module_configs
from shared.encoder.spec import DenseSpec, LayerSpec, ModelSpec, NormalizeSpec, PoolingSpec
from shared.errors import ModelRefused

Config: TypeAlias = Mapping[str, Any]

WEIGHTS = "model.safetensors"
WEIGHTS_INDEX = "model.safetensors.index.json"
TOKENIZER_FILES = frozenset(
    {
        "added_tokens.json",
        "merges.txt",
        "sentencepiece.bpe.model",
        "special_tokens_map.json",
        "spiece.model",
        "spm.model",
        "tokenizer.json",
        "tokenizer.model",
        "tokenizer_config.json",
        "unigram.json",
        "vocab.json",
        "vocab.txt",
    }
)
SENTENCE_CONFIGS = (
    "sentence_bert_config.json",
    "sentence_roberta_config.json",
    "sentence_distilbert_config.json",
    "sentence_camembert_config.json",
    "sentence_albert_config.json",
    "sentence_xlm-roberta_config.json",
    "sentence_xlnet_config.json",
)
# Encoder-decoders whose encoder transformers can load alone.
ENCODER_CLASSES = {"t5": "T5EncoderModel", "mt5": "MT5EncoderModel", "umt5": "UMT5EncoderModel"}
# Their position numbers start after the padding id, so they read fewer tokens than they say.
OFFSET_POSITIONS = frozenset(
    {"camembert", "data2vec-text", "ibert", "longformer", "luke", "mpnet", "roberta"}
    | {"roberta-prelayernorm", "xlm-roberta", "xlm-roberta-xl", "xmod"}
)
UNKNOWN_LIMIT = 512
"""Tokens read by a model that names no limit at all; beyond it memory grows unnoticed."""


def read_spec(folder: Path) -> ModelSpec:
    """Read the model directory *folder*.

    Raises:
        ModelRefused: a file is missing or malformed, or asks for something Lamina cannot do.
    """
    transformer, layers = _layers(folder)
    home = folder / transformer
    config = read_json(home / "config.json")
    _check_transformer(home, config)
    hidden = _hidden_size(config)
    pooling = layers[0] if layers else module_configs.default_pooling(config)
    layers = layers or (pooling,)
    width = _width(layers, hidden)
    options = module_configs.read_model_options(
        _optional(folder, "config_sentence_transformers.json")
    )
    sentence = module_configs.read_sentence_config(_sentence_config(home))
    tokenizer = _optional(home, "tokenizer_config.json")
    _check_tokenizer(home, tokenizer, text_only=sentence.text_only)
    return ModelSpec(
        transformer=transformer,
        model_class=ENCODER_CLASSES.get(str(config.get("model_type")), "AutoModel"),
        layers=layers,
        dimension=min(width, options.truncate_dim or width),
        max_tokens=_max_tokens(sentence.max_tokens or tokenizer.get("model_max_length"), config),
        lower_case=sentence.lower_case,
        query_prompt=options.query_prompt,
        document_prompt=options.document_prompt,
        truncate_dim=options.truncate_dim,
        metric=options.metric or Metric.COSINE,
    )


def read_json(path: Path) -> Config:
    """Read a JSON object.

    Raises:
        ModelRefused: the file is missing or holds something else.
    """
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise ModelRefused(f"The model has no {path.name}.") from error
    except (UnicodeDecodeError, json.JSONDecodeError) as error:
        raise ModelRefused(f"The model's {path.name} is not JSON: {error}") from error
    if not isinstance(found, dict):
        raise ModelRefused(f"The model's {path.name} is not a JSON object.")
    return found


def weight_files(home: Path) -> tuple[str, ...]:
    """Name the weight files in *home*, by rising name.

    Raises:
        ModelRefused: there are none in the safetensors format, or a shard is missing.
    """
    if (home / WEIGHTS).is_file():
        return (WEIGHTS,)
    if not (home / WEIGHTS_INDEX).is_file():
        raise ModelRefused("The model has no weights in the safetensors format.")
    shards = sorted(set(map(str, read_json(home / WEIGHTS_INDEX).get("weight_map", {}).values())))
    for shard in shards:
        if Path(shard).name != shard or not (home / shard).is_file():
            raise ModelRefused(f"The model's weight file {shard} is missing.")
    return tuple(shards)


def _layers(folder: Path) -> tuple[str, tuple[LayerSpec, ...]]:
    path = folder / "modules.json"
    if not path.exists():
        return "", ()
    try:
        modules = json.loads(path.read_text(encoding="utf-8"))
        entries = [(str(one["type"]), str(one["path"])) for one in modules]
    except (UnicodeDecodeError, json.JSONDecodeError, KeyError, TypeError) as error:
        raise ModelRefused(f"The model's modules.json is not valid: {error!r}") from error
    kinds = [kind.rpartition(".")[2] for kind, _ in entries]
    if kinds[:2] != ["Transformer", "Pooling"]:
        raise ModelRefused(
            f"The model's modules are {', '.join(kinds) or 'none'}; Lamina needs Transformer, "
            "then Pooling."
        )
    for _, where in entries:
        if where and (Path(where).name != where or where.startswith(".")):
            raise ModelRefused(f"The model's modules.json names the folder {where!r}.")
    found = [_layer(folder, kind, where) for kind, (_, where) in zip(kinds, entries, strict=True)][
        1:
    ]
    return entries[0][1], tuple(layer for layer in found if layer is not None)


def _layer(folder: Path, kind: str, where: str) -> LayerSpec | None:
    if kind in {"Transformer", "Dropout"}:  # dropout does nothing outside training
        return None
    if kind == "Pooling":
        return module_configs.read_pooling(read_json(folder / where / "config.json"))
    if kind == "Normalize":
        return module_configs.read_normalize(_optional(folder / where, "config.json"))
    if kind == "Dense":
        weight_files(folder / where)
        return module_configs.read_dense(read_json(folder / where / "config.json"), where)
    raise ModelRefused(f"The model has a module of type {kind}, which Lamina cannot run.")


def _width(layers: tuple[LayerSpec, ...], hidden: int) -> int:
    width = hidden
    for position, layer in enumerate(layers):
        match layer:
            case PoolingSpec() if position:
                raise ModelRefused("The model has more than one Pooling module.")
            case PoolingSpec():
                width *= len(layer.modes)
            case DenseSpec():
                if layer.in_features != width:
                    raise ModelRefused(
                        f"The model's {layer.folder} takes {layer.in_features} values, not {width}."
                    )
                width = layer.out_features
            case NormalizeSpec():
                pass
    return width


def _check_transformer(home: Path, config: Config) -> None:
    if "auto_map" in config:
        raise ModelRefused("The model brings its own code (auto_map in config.json).")
    if "quantization_config" in config:
        raise ModelRefused("The model is quantized (quantization_config in config.json).")
    if (home / "adapter_config.json").exists():
        raise ModelRefused("The model is an adapter (adapter_config.json), not a whole model.")
    if config.get("is_encoder_decoder") and config.get("model_type") not in ENCODER_CLASSES:
        raise ModelRefused(f"The model is an encoder-decoder ({config.get('model_type')}).")
    for key in ("vision_config", "audio_config"):
        if key in config:
            raise ModelRefused(f"The model is not for text alone ({key} in config.json).")
    weight_files(home)


def _check_tokenizer(home: Path, config: Config, *, text_only: bool) -> None:
    if "auto_map" in config:
        raise ModelRefused("The model's tokenizer brings its own code (auto_map).")
    if config.get("truncation_side", "right") != "right":
        raise ModelRefused("The model's tokenizer cuts texts on the left (truncation_side).")
    templates = (home / "chat_template.jinja").exists() or config.get("chat_template")
    if templates and not text_only:
        raise ModelRefused("The model wraps texts in a chat template.")
    if not any((home / name).exists() for name in TOKENIZER_FILES - {"tokenizer_config.json"}):
        raise ModelRefused("The model has no tokenizer files.")


def _sentence_config(home: Path) -> Config:
    return next((read_json(home / name) for name in SENTENCE_CONFIGS if (home / name).exists()), {})


def _optional(folder: Path, name: str) -> Config:
    return read_json(folder / name) if (folder / name).exists() else {}


def _hidden_size(config: Config) -> int:
    for key in ("hidden_size", "d_model", "dim", "n_embd"):
        if isinstance(config.get(key), int):
            return int(config[key])
    raise ModelRefused("The model's config.json names no hidden_size.")


def _max_tokens(asked: object, config: Config) -> int:
    positions = config.get("max_position_embeddings")
    limits = [limit for limit in (asked, positions) if isinstance(limit, int | float) and limit > 0]
    if isinstance(positions, int) and config.get("model_type") in OFFSET_POSITIONS:
        limits.append(positions - int(config.get("pad_token_id", 1)) - 1)
    limit = int(min(limits, default=UNKNOWN_LIMIT))
    # transformers writes 10**30 for "no limit"
    return limit if limit < 10**9 else UNKNOWN_LIMIT
