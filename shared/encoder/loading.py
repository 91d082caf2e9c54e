"""Load tokenizer and weights with transformers, offline, and refuse what is not whole."""

from dataclasses import dataclass
from pathlib import Path

import torch
import transformers
from tokenizers import Tokenizer
from tokenizers.normalizers import Lowercase, Sequence
from transformers import PreTrainedModel, PreTrainedTokenizerFast

from shared.encoder.chunking import Ids
from shared.encoder.spec import ModelSpec
from shared.errors import ModelRefused


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadedTokenizer:
    """A tokenizer, and what transformers knows of it."""

    backend: Tokenizer
    pad_id: int
    typed: bool
    """Whether the model wants token types (always 0 here)."""
    special_ids: frozenset[int]

    def prompt_tokens(self, ids: Ids) -> int:
        """Count the leading tokens that a prompt adds, given its own *ids*."""
        # The special token that closes a text does not follow the prompt inside a text.
        return len(ids) - 1 if ids and ids[-1] in self.special_ids else len(ids)


def load_tokenizer(home: Path, spec: ModelSpec) -> LoadedTokenizer:
    """Load the tokenizer in *home*.

    Raises:
        ModelRefused: it cannot be loaded as a fast tokenizer, or its token types are not 0.
    """
    try:
        found = transformers.AutoTokenizer.from_pretrained(
            home, local_files_only=True, trust_remote_code=False
        )
    except (OSError, ValueError, KeyError, ImportError) as error:
        raise ModelRefused(f"The model's tokenizer cannot be loaded: {error}") from error
    if not isinstance(found, PreTrainedTokenizerFast) and not getattr(found, "is_fast", False):
        raise ModelRefused(f"The model's tokenizer {type(found).__name__} has no fast version.")
    backend: Tokenizer = found.backend_tokenizer
    if spec.lower_case:
        _lower_case(backend)
    typed = "token_type_ids" in found.model_input_names
    if typed and any(backend.encode("a").type_ids):
        raise ModelRefused("The model's tokenizer gives token types other than 0.")
    return LoadedTokenizer(
        backend=backend,
        pad_id=found.pad_token_id or 0,
        typed=typed,
        special_ids=frozenset(found.all_special_ids),
    )


def load_model(home: Path, spec: ModelSpec, device: torch.device) -> PreTrainedModel:
    """Load the weights in *home* as float32 onto *device*, for inference.

    Raises:
        ModelRefused: they cannot be loaded, or some are missing.
    """
    transformers.utils.logging.disable_progress_bar()  # type: ignore[no-untyped-call] # theirs
    # Its report of missing weights is checked below instead.
    transformers.utils.logging.set_verbosity_error()  # type: ignore[no-untyped-call] # theirs
    try:
        model, report = getattr(transformers, spec.model_class).from_pretrained(
            home,
            dtype=torch.float32,
            local_files_only=True,
            output_loading_info=True,
            trust_remote_code=False,
            use_safetensors=True,
        )
    except (OSError, ValueError, KeyError, ImportError, RuntimeError) as error:
        raise ModelRefused(f"The model's weights cannot be loaded: {error}") from error
    # transformers fills what is missing with random numbers. The pooler is not used here.
    missing = sorted(key for key in report["missing_keys"] if not key.startswith("pooler."))
    wrong = [*missing, *map(str, report["mismatched_keys"])]
    if wrong:
        raise ModelRefused(f"The model's weights lack {', '.join(wrong[:5])}.")
    loaded: PreTrainedModel = model.eval().to(device)
    return loaded


def _lower_case(backend: Tokenizer) -> None:
    normalizer = backend.normalizer
    parts = [] if normalizer is None else [normalizer]
    backend.normalizer = Sequence([Lowercase(), *parts])
