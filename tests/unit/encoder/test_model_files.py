"""A model directory is honoured or refused by name."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from shared.domain import Metric
from shared.encoder.model_files import read_spec
from shared.encoder.spec import DenseSpec, NormalizeSpec, PoolingSpec
from shared.errors import ModelRefused
from tests.models import MAX_TOKENS, WIDTH, write_model

SENTENCE = "sentence_bert_config.json"
OPTIONS = "config_sentence_transformers.json"
POOLING = "1_Pooling/config.json"
DENSE = "2_Dense/config.json"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    dense = {"out_features": 24, "activation_function": "torch.nn.modules.activation.Tanh"}
    return write_model(tmp_path_factory.mktemp("model") / "tiny", dense=dense)


@pytest.fixture
def folder(made: Path, tmp_path: Path) -> Path:
    """Link the model's files, so that each test can replace some."""
    for path in made.rglob("*"):
        if path.is_file():
            target = tmp_path / path.relative_to(made)
            target.parent.mkdir(exist_ok=True)
            target.symlink_to(path)
    return tmp_path


def edit(path: Path, change: Mapping[str, Any]) -> None:
    content = {**json.loads(path.read_text(encoding="utf-8")), **change}
    path.unlink()
    path.write_text(json.dumps(content), encoding="utf-8")


def test_all_that_a_model_says_is_read(folder: Path) -> None:
    edit(folder / OPTIONS, {"similarity_fn_name": "dot", "truncate_dim": 16})
    edit(folder / SENTENCE, {"do_lower_case": True})
    spec = read_spec(folder)

    assert [type(layer) for layer in spec.layers] == [PoolingSpec, DenseSpec, NormalizeSpec]
    assert spec.pooling.modes == ("cls",)
    assert (spec.dimension, spec.max_tokens, spec.metric) == (16, MAX_TOKENS, Metric.INNER_PRODUCT)
    assert (spec.query_prompt, spec.document_prompt) == ("query: ", "passage text: ")
    assert spec.lower_case


@pytest.mark.parametrize(
    ("file", "change", "named"),
    [
        ("config.json", {"auto_map": {"AutoModel": "x.Y"}}, "auto_map"),
        ("config.json", {"quantization_config": {}}, "quantization_config"),
        ("config.json", {"is_encoder_decoder": True, "model_type": "bart"}, "bart"),
        ("config.json", {"vision_config": {}}, "vision_config"),
        ("config.json", {"hidden_size": None}, "hidden_size"),
        ("config.json", {"hidden_size": 32}, "2_Dense"),
        ("tokenizer_config.json", {"auto_map": {}}, "auto_map"),
        ("tokenizer_config.json", {"truncation_side": "left"}, "truncation_side"),
        ("tokenizer_config.json", {"chat_template": "{{ x }}"}, "chat template"),
        (POOLING, {"pooling_mode_median_tokens": True}, "pooling_mode_median_tokens"),
        (POOLING, {"pooling_mode": "median"}, "median"),
        (DENSE, {"activation_function": "torch.nn.modules.activation.Softmax"}, "Softmax"),
        (DENSE, {"activation_function": "mine.Tanh"}, "mine.Tanh"),
        (DENSE, {"module_input_name": "token_embeddings"}, "module_input_name"),
        (DENSE, {"out_features": None}, "sizes"),
        (DENSE, {"gate": True}, "gate"),
        (SENTENCE, {"query_length": 32}, "query_length"),
        (SENTENCE, {"transformer_task": "fill-mask"}, "fill-mask"),
        (SENTENCE, {"module_output_name": "scores"}, "scores"),
        (SENTENCE, {"modality_config": {"message": {}}}, "modality_config"),
        (SENTENCE, {"processing_kwargs": {"text": {}}}, "processing_kwargs"),
        (OPTIONS, {"model_type": "SparseEncoder"}, "SparseEncoder"),
        (OPTIONS, {"similarity_fn_name": "manhattan"}, "manhattan"),
        (OPTIONS, {"truncate_dim": -3}, "truncate_dim"),
        (OPTIONS, {"default_prompt_name": "lost"}, "lost"),
        (OPTIONS, {"router": {}}, "router"),
    ],
)
def test_what_cannot_be_honoured_is_refused_by_name(
    folder: Path, file: str, change: Mapping[str, Any], named: str
) -> None:
    edit(folder / file, change)

    with pytest.raises(ModelRefused, match=named):
        read_spec(folder)


@pytest.mark.parametrize(
    ("kinds", "named"),
    [
        (["Transformer", "Pooling", "WordWeights"], "WordWeights"),
        (["StaticEmbedding"], "StaticEmbedding"),
        (["Transformer"], "Transformer"),
        (["Transformer", "Pooling", "Pooling"], "more than one"),
        ([], "none"),
    ],
)
def test_other_modules_are_refused_by_name(folder: Path, kinds: list[str], named: str) -> None:
    modules = [
        {"type": f"sentence_transformers.models.{kind}", "path": "1_Pooling" if place else ""}
        for place, kind in enumerate(kinds)
    ]
    (folder / "modules.json").unlink()
    (folder / "modules.json").write_text(json.dumps(modules), encoding="utf-8")

    with pytest.raises(ModelRefused, match=named):
        read_spec(folder)


@pytest.mark.parametrize("where", ["../other", "/etc", "a/b", ".."])
def test_a_module_outside_the_model_is_refused(folder: Path, where: str) -> None:
    modules = [{"type": "x.Transformer", "path": ""}, {"type": "x.Pooling", "path": where}]
    (folder / "modules.json").unlink()
    (folder / "modules.json").write_text(json.dumps(modules), encoding="utf-8")

    with pytest.raises(ModelRefused, match="names the folder"):
        read_spec(folder)


@pytest.mark.parametrize(
    ("missing", "named"),
    [
        ("model.safetensors", "safetensors"),
        ("config.json", "config.json"),
        (POOLING, "config.json"),
        ("tokenizer.json", "tokenizer"),
        ("2_Dense/model.safetensors", "safetensors"),
    ],
)
def test_a_missing_file_is_named(folder: Path, missing: str, named: str) -> None:
    (folder / missing).unlink()
    (folder / "pytorch_model.bin").write_bytes(b"not read")

    with pytest.raises(ModelRefused, match=named):
        read_spec(folder)


@pytest.mark.parametrize("content", ["", "[]", "{", "\udcff"])
def test_a_malformed_file_is_named(folder: Path, content: str) -> None:
    for file in ("config.json", "modules.json"):
        (folder / file).unlink()
        (folder / file).write_bytes(content.encode("utf-8", "surrogateescape"))

        with pytest.raises(ModelRefused, match=r"modules|config\.json"):
            read_spec(folder)


@pytest.mark.parametrize(
    ("config", "limit"),
    [
        ({"max_position_embeddings": 40}, 40),
        ({"max_position_embeddings": 40, "model_type": "xlm-roberta", "pad_token_id": 1}, 38),
        ({"max_position_embeddings": -1}, MAX_TOKENS),
    ],
)
def test_the_limit_is_never_more_than_the_positions(
    folder: Path, config: Mapping[str, Any], limit: int
) -> None:
    edit(folder / "config.json", config)

    assert read_spec(folder).max_tokens == limit


def test_without_any_limit_there_is_a_modest_one(folder: Path) -> None:
    edit(folder / "config.json", {"max_position_embeddings": None})
    edit(folder / "tokenizer_config.json", {"model_max_length": 10**30})
    edit(folder / SENTENCE, {"max_seq_length": None})

    assert read_spec(folder).max_tokens == 512


def test_a_causal_model_without_modules_is_pooled_by_its_last_token(folder: Path) -> None:
    (folder / "modules.json").unlink()
    edit(folder / "config.json", {"architectures": ["TinyForCausalLM"]})
    spec = read_spec(folder)

    assert spec.layers == (PoolingSpec(modes=("lasttoken",)),)
    assert spec.dimension == WIDTH
