"""Read the config of each module of a sentence-transformers model.

Every key is either honoured, known to change no vector, or refused by its name.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from shared.domain import Metric
from shared.encoder.spec import DenseSpec, NormalizeSpec, PoolingSpec
from shared.errors import ModelRefused

Config: TypeAlias = Mapping[str, Any]

# The order in which sentence-transformers concatenates them.
OLD_POOLING = {
    "pooling_mode_cls_token": "cls",
    "pooling_mode_max_tokens": "max",
    "pooling_mode_mean_tokens": "mean",
    "pooling_mode_mean_sqrt_len_tokens": "mean_sqrt_len_tokens",
    "pooling_mode_weightedmean_tokens": "weightedmean",
    "pooling_mode_lasttoken": "lasttoken",
}
POOLING_MODES = frozenset(OLD_POOLING.values())
ACTIVATIONS = frozenset(
    {"ELU", "GELU", "Identity", "LeakyReLU", "Mish", "ReLU", "SiLU", "Sigmoid", "Softplus", "Tanh"}
)
METRICS = {
    "cosine": Metric.COSINE,
    "dot": Metric.INNER_PRODUCT,
    "dot_product": Metric.INNER_PRODUCT,
    "euclidean": Metric.L2,
}
VECTOR = "sentence_embedding"


@dataclass(frozen=True, slots=True, kw_only=True)
class SentenceConfig:
    """What `sentence_bert_config.json` says."""

    max_tokens: int | None
    lower_case: bool
    text_only: bool
    """Whether it says that texts are read as they are, without a chat template."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelOptions:
    """What `config_sentence_transformers.json` says."""

    query_prompt: str
    document_prompt: str
    truncate_dim: int | None
    metric: Metric | None


def default_pooling(config: Config) -> PoolingSpec:
    """Return what sentence-transformers does with a plain transformers directory."""
    architectures = config.get("architectures") or [""]
    causal = str(architectures[0]).endswith("ForCausalLM") and config.get("is_causal", True)
    return PoolingSpec(modes=("lasttoken" if causal else "mean",))


def read_pooling(config: Config) -> PoolingSpec:
    """Read `N_Pooling/config.json`, old keys or new."""
    known = {*OLD_POOLING, "pooling_mode", "include_prompt"}
    _refuse_unknown(config, known | {"word_embedding_dimension", "embedding_dimension"}, "Pooling")
    modes = config.get("pooling_mode")
    if modes is None:
        modes = [mode for key, mode in OLD_POOLING.items() if config.get(key)] or ["mean"]
    elif isinstance(modes, str):
        modes = [modes]
    for mode in modes:
        if mode not in POOLING_MODES:
            raise ModelRefused(f"The model pools by {mode!r}, which Lamina does not know.")
    return PoolingSpec(modes=tuple(modes), include_prompt=bool(config.get("include_prompt", True)))


def read_normalize(config: Config) -> NormalizeSpec:
    """Read `N_Normalize/config.json`, which may be missing."""
    _refuse_unknown(config, {"module_input_name", "module_output_name"}, "Normalize")
    _check_names(config, "Normalize")
    return NormalizeSpec()


def read_dense(config: Config, folder: str) -> DenseSpec:
    """Read `N_Dense/config.json`."""
    known = {"in_features", "out_features", "bias", "activation_function", "use_residual"}
    _refuse_unknown(config, known | {"module_input_name", "module_output_name"}, "Dense")
    _check_names(config, "Dense")
    activation = str(config.get("activation_function", "torch.nn.modules.activation.Tanh"))
    name = activation.rpartition(".")[2]
    if not activation.startswith("torch.nn.") or name not in ACTIVATIONS:
        raise ModelRefused(f"The model's Dense module activates by {activation}.")
    try:
        sizes = int(config["in_features"]), int(config["out_features"])
    except (KeyError, TypeError, ValueError) as error:
        raise ModelRefused("The model's Dense module names no sizes.") from error
    return DenseSpec(
        folder=folder,
        in_features=sizes[0],
        out_features=sizes[1],
        bias=bool(config.get("bias", True)),
        activation=name,
        residual=bool(config.get("use_residual", False)),
    )


def read_sentence_config(config: Config) -> SentenceConfig:
    """Read `sentence_bert_config.json` (empty if there is none)."""
    known = {"max_seq_length", "do_lower_case", "transformer_task", "modality_config"}
    known |= {"module_output_name", "unpad_inputs"}
    empty = {key for key, value in config.items() if not value}  # null, {} and false ask nothing
    _refuse_unknown(config, known | empty, "Transformer")
    if config.get("transformer_task", "feature-extraction") != "feature-extraction":
        raise ModelRefused(f"The model's transformer_task is {config['transformer_task']!r}.")
    if config.get("module_output_name", "token_embeddings") != "token_embeddings":
        raise ModelRefused(f"The model's module_output_name is {config['module_output_name']!r}.")
    modalities = config.get("modality_config")
    plain = {"text": {"method": "forward", "method_output_name": "last_hidden_state"}}
    if modalities and modalities != plain:
        raise ModelRefused(f"The model's modality_config asks for more than text: {modalities}.")
    limit = config.get("max_seq_length")
    return SentenceConfig(
        max_tokens=int(limit) if limit else None,
        lower_case=bool(config.get("do_lower_case", False)),
        text_only=bool(modalities),
    )


def read_model_options(config: Config) -> ModelOptions:
    """Read `config_sentence_transformers.json` (empty if there is none)."""
    known = {"__version__", "model_type", "prompts", "default_prompt_name"}
    _refuse_unknown(config, known | {"similarity_fn_name", "truncate_dim"}, "SentenceTransformer")
    if config.get("model_type", "SentenceTransformer") != "SentenceTransformer":
        raise ModelRefused(f"The model's model_type is {config['model_type']!r}.")
    similarity = config.get("similarity_fn_name")
    if similarity is not None and similarity not in METRICS:
        raise ModelRefused(f"The model compares by {similarity!r} (similarity_fn_name).")
    truncate = config.get("truncate_dim")
    if truncate is not None and (not isinstance(truncate, int) or truncate < 1):
        raise ModelRefused(f"The model's truncate_dim is {truncate!r}.")
    return ModelOptions(
        query_prompt=_prompt(config, ("query",)),
        document_prompt=_prompt(config, ("document", "passage", "corpus")),
        truncate_dim=truncate,
        metric=METRICS[similarity] if similarity else None,
    )


def _prompt(config: Config, names: tuple[str, ...]) -> str:
    prompts = config.get("prompts") or {}
    default = config.get("default_prompt_name")
    if default is not None and default not in prompts:
        raise ModelRefused(f"The model's default_prompt_name {default!r} is not among its prompts.")
    for name in (*names, default):
        if name in prompts:
            return str(prompts[name] or "")
    return ""


def _check_names(config: Config, module: str) -> None:
    for key in ("module_input_name", "module_output_name"):
        if (config.get(key) or VECTOR) != VECTOR:
            raise ModelRefused(f"The model's {module} module works on {config[key]!r} ({key}).")


def _refuse_unknown(config: Config, known: set[str], module: str) -> None:
    unknown = sorted(set(config) - known)
    if unknown:
        raise ModelRefused(f"The model's {module} module has unknown keys: {', '.join(unknown)}.")
