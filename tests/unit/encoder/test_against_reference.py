"""The encoder gives the vectors that sentence-transformers gives."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from sentence_transformers import SentenceTransformer
from transformers import (
    DistilBertConfig,
    DistilBertModel,
    PreTrainedModel,
    Qwen3Config,
    Qwen3Model,
    T5Config,
    T5Model,
    XLMRobertaConfig,
    XLMRobertaModel,
)

from shared.domain import Chunking, ChunkingMode, Vectors
from shared.encoder.installation import install
from shared.encoder.store import ModelStore
from shared.encoder.transformer import TransformerEncoder
from tests import models

NONE = Chunking(mode=ChunkingMode.NONE)
DOCUMENTS = [
    ("", ""),
    ("Search", ""),
    ("", "the index of the vector"),
    ("A title", "A text. And another sentence, with (brackets)!"),
    ("Über", "ÄPFEL und Birnen\n\n今日は世界。 مرحبا \U0001f600 x\u0301"),
    ("Long", "the model and the vector of a document " * 40),
    ("Spaces", "  \n\t a  \r\n b\u00a0c \x00\x07 "),
    ("Special [SEP] words", "[CLS] [MASK] [PAD] text"),
]
QUERIES = ["", "search", "the vector of the index", "QUERY " * 80, "今日 ?"]

Variant = dict[str, Any]
VARIANTS: dict[str, Variant] = {
    "cls": {},
    "mean": {"pooling": ["mean"]},
    "max": {"pooling": ["max"], "normalize": False},
    "mean-sqrt-len": {"pooling": ["mean_sqrt_len_tokens"], "normalize": False},
    "weighted-mean": {"pooling": ["weightedmean"], "normalize": False},
    "last-token": {"pooling": ["lasttoken"], "normalize": False},
    "concatenated": {"pooling": ["cls", "max", "mean", "weightedmean"]},
    "no-prompt-in-mean": {"pooling": ["mean"], "include_prompt": False},
    "no-prompt-in-cls": {"pooling": ["cls", "weightedmean"], "include_prompt": False},
    "dense": {"pooling": ["mean"], "dense": {"out_features": 24}},
    "dense-identity": {
        "dense": {
            "out_features": 20,
            "bias": False,
            "activation_function": "torch.nn.modules.linear.Identity",
        }
    },
    "dense-residual": {
        "dense": {
            "out_features": 24,
            "use_residual": True,
            "activation_function": "torch.nn.modules.activation.GELU",
        }
    },
    "truncated": {"options": {"truncate_dim": 10}},
    "lower-case": {"lower_case": True},
    "no-prompts": {"prompts": {}},
}


def load(folder: Path, home: Path) -> TransformerEncoder:
    store = ModelStore(home, pass_tokens=150, loaded=1)
    card = install(folder, home, name="org/tiny", source="folder", revision=None, probe=True)
    encoder = store.load(card.fingerprint)
    assert isinstance(encoder, TransformerEncoder)
    return encoder


def encode_all(encoder: TransformerEncoder) -> Vectors:
    passages = [encoder.chunk(title, text, NONE).passages[0] for title, text in DOCUMENTS]
    return encoder.encode(passages)[0]


def joined(title: str, text: str) -> str:
    return f"{title}\n\n{text}" if title and text else title or text


def closest(found: Vectors, wanted: Any) -> float:
    assert found.dtype == np.float32
    assert found.shape == np.asarray(wanted).shape
    return float(np.abs(found - wanted).max())


@pytest.fixture
def home(tmp_path: Path) -> Path:
    folder = tmp_path / "models"
    folder.mkdir()
    return folder


@pytest.mark.parametrize("name", VARIANTS)
def test_a_tiny_model_gives_the_reference_vectors(name: str, home: Path) -> None:
    check_against_reference(VARIANTS[name], home, new=True)


@pytest.mark.parametrize(
    "name", ["cls", "concatenated", "no-prompt-in-mean", "dense", "lower-case"]
)
def test_a_tiny_model_in_the_old_format_gives_the_reference_vectors(name: str, home: Path) -> None:
    check_against_reference(VARIANTS[name], home, new=False)


def check_against_reference(variant: Variant, home: Path, *, new: bool) -> None:
    folder = models.write_model(home / ".draft", new=new, **variant)
    reference = SentenceTransformer(str(folder), device="cpu")
    texts = [joined(title, text) for title, text in DOCUMENTS]
    wanted = reference.encode_document(texts, batch_size=3)
    wanted_queries = reference.encode_query(QUERIES, batch_size=2)
    encoder = load(folder, home)

    assert closest(encode_all(encoder), wanted) <= 1e-6
    vectors, cut = encoder.encode_queries(QUERIES)
    assert closest(vectors, wanted_queries) <= 1e-6
    assert list(cut) == [False, False, False, True, False]
    assert encoder.card.dimension == wanted.shape[1]
    assert encoder.card.max_tokens == reference.max_seq_length


def test_the_prompt_of_a_name_of_its_own_is_used(home: Path) -> None:
    prompts = {"query": "query: ", "passage": "text: "}
    folder = models.write_model(home / ".draft", prompts=prompts)
    reference = SentenceTransformer(str(folder), device="cpu")
    wanted = reference.encode([joined(*one) for one in DOCUMENTS], prompt_name="passage")

    assert closest(encode_all(load(folder, home)), wanted) <= 1e-6


def test_the_default_prompt_is_used_where_there_is_no_other(home: Path) -> None:
    options = {"default_prompt_name": "sts"}
    folder = models.write_model(home / ".draft", prompts={"sts": "text: "}, options=options)
    reference = SentenceTransformer(str(folder), device="cpu")
    wanted = reference.encode([joined(*one) for one in DOCUMENTS])

    assert closest(encode_all(load(folder, home)), wanted) <= 1e-6


def test_a_plain_transformers_folder_is_pooled_by_mean(home: Path) -> None:
    folder = home / ".draft"
    models.write_transformer(folder)
    reference = SentenceTransformer(str(folder), device="cpu")
    wanted = reference.encode([joined(*one) for one in DOCUMENTS])

    assert closest(encode_all(load(folder, home)), wanted) <= 1e-6


SIZES: dict[str, Any] = {"hidden_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4}
ARCHITECTURES: dict[str, Callable[[], PreTrainedModel]] = {
    "t5": lambda: T5Model(T5Config(vocab_size=300, d_model=64, d_kv=16, d_ff=96, num_layers=2)),
    "xlm-roberta": lambda: XLMRobertaModel(
        XLMRobertaConfig(vocab_size=300, max_position_embeddings=66, pad_token_id=0, **SIZES)
    ),
    "distilbert": lambda: DistilBertModel(
        DistilBertConfig(vocab_size=300, dim=64, n_layers=2, n_heads=4)
    ),
    "qwen3": lambda: Qwen3Model(
        Qwen3Config(vocab_size=300, num_key_value_heads=2, head_dim=16, **SIZES)
    ),
}


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_other_architectures_give_the_reference_vectors(name: str, home: Path) -> None:
    pooling = "lasttoken" if name == "qwen3" else "mean"
    folder = models.write_model(home / ".draft", pooling=[pooling])
    with torch.random.fork_rng():
        torch.manual_seed(3)
        ARCHITECTURES[name]().save_pretrained(folder)
    names = ["input_ids", "attention_mask"]  # no token types
    models.write_tokenizer(folder, names=names)
    reference = SentenceTransformer(str(folder), device="cpu")
    wanted = reference.encode_document([joined(*one) for one in DOCUMENTS])

    assert closest(encode_all(load(folder, home)), wanted) <= 1e-6


def test_minilm_gives_the_reference_vectors() -> None:
    store, card = models.default_store()
    encoder = store.load(card.fingerprint)
    assert isinstance(encoder, TransformerEncoder)
    path = store.folder / card.name.replace("/", "--")
    reference = SentenceTransformer(str(path), device="cpu")

    assert (card.dimension, card.max_tokens) == (384, 256)
    wanted = reference.encode_document([joined(*one) for one in DOCUMENTS], batch_size=3)
    assert closest(encode_all(encoder), wanted) <= 1e-6
    vectors, _ = encoder.encode_queries(QUERIES)
    assert closest(vectors, reference.encode_query(QUERIES)) <= 1e-6
    assert np.linalg.norm(vectors, axis=1) == pytest.approx(1.0, abs=1e-6)


def test_a_passage_whose_ids_are_forgotten_is_encoded_the_same(home: Path) -> None:
    encoder = load(models.write_model(home / ".draft"), home)
    passages = [encoder.chunk(title, text, NONE).passages[0] for title, text in DOCUMENTS]
    remembered, _ = encoder.encode(passages)
    forgotten, _ = encoder.encode(passages)  # encoding takes the ids out of memory

    assert closest(forgotten, remembered) <= 1e-6
