"""Models for tests: tiny seeded ones made in a folder, and the real default one.

The tiny ones are BERTs of 64 dimensions with a vocabulary of characters and a few words, in the
old sentence-transformers format (1.x to 5.x) or the new one (6.x).
"""

import json
import string
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors
from transformers import BertConfig, BertModel, PreTrainedTokenizerFast

from shared.domain import EncoderCard
from shared.encoder import ModelStore, pull
from shared.encoder.pull import DEFAULT

WIDTH = 64
MAX_TOKENS = 48
SPECIALS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
WORDS = ["the", "of", "and", "search", "index", "model", "vector", "text", "query", "document"]
QUERY_PROMPT = "query: "
DOCUMENT_PROMPT = "passage text: "
OLD = "sentence_transformers.models."
OLD_MODES = {
    "cls": "cls_token",
    "max": "max_tokens",
    "mean": "mean_tokens",
    "mean_sqrt_len_tokens": "mean_sqrt_len_tokens",
    "weightedmean": "weightedmean_tokens",
    "lasttoken": "lasttoken",
}
NEW = {
    "Transformer": "sentence_transformers.base.modules.transformer.Transformer",
    "Pooling": "sentence_transformers.sentence_transformer.modules.pooling.Pooling",
    "Dense": "sentence_transformers.base.modules.dense.Dense",
    "Normalize": "sentence_transformers.base.modules.normalize.Normalize",
}


def default_store() -> tuple[ModelStore, EncoderCard]:
    """Install the default model once for all test runs of this checkout; it must not fail."""
    folder = Path(__file__).resolve().parents[1] / "var" / "test-models"
    store = ModelStore(folder, pass_tokens=2000, loaded=1)
    return store, pull(DEFAULT, store)


def word_piece() -> Tokenizer:
    """Return a small BERT tokenizer: letters, digits, punctuation and a few words."""
    letters = string.ascii_lowercase + string.digits
    single = [*string.punctuation, *letters, *"äéñ今日は世界。مرحبا"]
    pieces = [*SPECIALS, *single, *(f"##{one}" for one in letters), *WORDS]
    vocabulary = {piece: place for place, piece in enumerate(dict.fromkeys(pieces))}
    tokenizer = Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.decoder = decoders.WordPiece()
    _add_specials(tokenizer, vocabulary)
    return tokenizer


def byte_level() -> Tokenizer:
    """Return a tokenizer of single bytes, so that an emoji is four tokens of one character."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocabulary = {piece: place for place, piece in enumerate([*SPECIALS, *alphabet])}
    tokenizer = Tokenizer(models.BPE(vocabulary, []))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    _add_specials(tokenizer, vocabulary)
    return tokenizer


def unigram() -> Tokenizer:
    """Return a tokenizer in the manner of SentencePiece: a word begins with its space."""
    pieces = [*SPECIALS, "▁", *string.printable.strip(), *WORDS, *(f"▁{word}" for word in WORDS)]
    scores = [(piece, -float(len(piece) < 2) * 4 - 1) for piece in dict.fromkeys(pieces)]
    tokenizer = Tokenizer(models.Unigram(scores, unk_id=1, byte_fallback=False))
    tokenizer.normalizer = normalizers.NFKC()
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    _add_specials(tokenizer, {piece: place for place, (piece, _) in enumerate(scores)})
    return tokenizer


def write_model(
    folder: Path,
    *,
    new: bool = False,
    seed: int = 7,
    pooling: Sequence[str] = ("cls",),
    include_prompt: bool = True,
    dense: Mapping[str, Any] | None = None,
    normalize: bool = True,
    prompts: Mapping[str, str] | None = None,
    options: Mapping[str, Any] | None = None,
    lower_case: bool = False,
    max_tokens: int = MAX_TOKENS,
    scale: float = 0.125,
    poison: str | None = None,
) -> Path:
    """Write a tiny model to *folder* as sentence-transformers would; return the folder.

    `dense` is a Dense config without its input size, *scale* that of its weights; `options` are
    further keys of `config_sentence_transformers.json`; a text with the token *poison* gets no
    finite vector.
    """
    folder.mkdir(parents=True, exist_ok=True)
    limit = max_tokens if new else 512
    write_transformer(folder, seed=seed, model_max_length=limit, poison=poison)
    if prompts is None:
        prompts = {"query": QUERY_PROMPT, "document": DOCUMENT_PROMPT}
    kinds = ["Transformer", "Pooling", *(["Dense"] if dense else []), *["Normalize"] * normalize]
    _dump(
        folder / "modules.json",
        [
            {
                "idx": place,
                "name": str(place),
                "path": f"{place}_{kind}" if place else "",
                "type": NEW[kind] if new else OLD + kind,
            }
            for place, kind in enumerate(kinds)
        ],
    )
    sentence: dict[str, Any] = {"do_lower_case": lower_case}
    if new:
        text = {"method": "forward", "method_output_name": "last_hidden_state"}
        sentence |= {"transformer_task": "feature-extraction", "modality_config": {"text": text}}
        sentence |= {"module_output_name": "token_embeddings"}
    else:
        sentence |= {"max_seq_length": max_tokens}
    _dump(folder / "sentence_bert_config.json", sentence)
    _dump(
        folder / "config_sentence_transformers.json",
        {
            "__version__": {"sentence_transformers": "6.2.0" if new else "3.0.0"},
            **({"model_type": "SentenceTransformer"} if new else {}),
            "prompts": dict(prompts),
            "default_prompt_name": None,
            "similarity_fn_name": "cosine",
            **(options or {}),
        },
    )
    _dump(
        folder / "1_Pooling" / "config.json",
        _pooling(pooling, include_prompt=include_prompt, new=new),
    )
    if dense:
        _write_dense(folder / "2_Dense", dense, len(pooling) * WIDTH, scale)
    if normalize and new:
        _dump(folder / f"{len(kinds) - 1}_Normalize" / "config.json", {})
    return folder


def write_transformer(
    folder: Path, *, seed: int = 7, model_max_length: int = MAX_TOKENS, poison: str | None = None
) -> None:
    """Write tokenizer, config and weights of a tiny BERT, a plain transformers directory."""
    tokenizer = write_tokenizer(folder, model_max_length=model_max_length)
    config = BertConfig(
        vocab_size=tokenizer.get_vocab_size(),
        hidden_size=WIDTH,
        num_hidden_layers=2,
        num_attention_heads=4,
        intermediate_size=96,
        max_position_embeddings=64,
    )
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = BertModel(config)
    if poison:
        words = model.embeddings.word_embeddings.weight.data
        words[tokenizer.token_to_id(poison)] = float("nan")
    model.save_pretrained(folder)


def write_tokenizer(
    folder: Path,
    *,
    model_max_length: int = MAX_TOKENS,
    names: Sequence[str] = ("input_ids", "token_type_ids", "attention_mask"),
) -> Tokenizer:
    """Write the files of `word_piece` for a model that takes the inputs *names*."""
    tokenizer = word_piece()
    PreTrainedTokenizerFast(  # type: ignore[no-untyped-call] # theirs
        tokenizer_object=tokenizer,
        model_max_length=model_max_length,
        pad_token="[PAD]",
        unk_token="[UNK]",
        cls_token="[CLS]",
        sep_token="[SEP]",
        mask_token="[MASK]",
        model_input_names=list(names),
    ).save_pretrained(folder)
    return tokenizer


def _pooling(modes: Sequence[str], *, include_prompt: bool, new: bool) -> dict[str, Any]:
    if new:
        mode = modes[0] if len(modes) == 1 else list(modes)
        return {
            "embedding_dimension": WIDTH,
            "pooling_mode": mode,
            "include_prompt": include_prompt,
        }
    flags = {f"pooling_mode_{key}": mode in modes for mode, key in OLD_MODES.items()}
    return {"word_embedding_dimension": WIDTH, **flags, "include_prompt": include_prompt}


def _write_dense(folder: Path, config: Mapping[str, Any], width: int, scale: float) -> None:
    full = {"in_features": width, "bias": True, **config}
    _dump(folder / "config.json", full)
    numbers = torch.Generator().manual_seed(11)
    out = full["out_features"]
    weights = {"linear.weight": torch.randn(out, width, generator=numbers) * scale}
    if full["bias"]:
        weights["linear.bias"] = torch.randn(out, generator=numbers)
    if full.get("use_residual") and out != width:
        weights["residual.weight"] = torch.randn(out, width, generator=numbers) * scale
    save_file(weights, folder / "model.safetensors")


def _add_specials(tokenizer: Tokenizer, vocabulary: Mapping[str, int]) -> None:
    tokenizer.add_special_tokens(SPECIALS)
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]",
        special_tokens=[(name, vocabulary[name]) for name in ("[CLS]", "[SEP]")],
    )


def _dump(path: Path, content: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content, indent=2), encoding="utf-8")
