"""The model on another device than the CPU."""

from pathlib import Path

import numpy as np
import pytest
import torch
from pydantic import ValidationError

from shared.encoder.devices import device_called
from shared.encoder.model_files import read_spec
from shared.encoder.transformer import TransformerEncoder
from shared.errors import ConfigurationError, UnencodableDocument
from shared.settings import EncodingSettings
from tests import models
from tests.unit.encoder.test_against_reference import QUERIES, VARIANTS, encode_all, load

on_gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU here")


@pytest.fixture
def home(tmp_path: Path) -> Path:
    folder = tmp_path / "models"
    folder.mkdir()
    return folder


def again(encoder: TransformerEncoder, home: Path, device: str) -> TransformerEncoder:
    """Return the same model on another device."""
    (folder,) = home.glob("[!.]*")
    return TransformerEncoder(
        folder, read_spec(folder), encoder.card, pass_tokens=150, device=device
    )


@on_gpu
@pytest.mark.parametrize("name", VARIANTS)
def test_a_gpu_gives_the_vectors_that_the_cpu_gives(name: str, home: Path) -> None:
    models.write_model(home / ".draft", new=True, **VARIANTS[name])
    cpu = load(home / ".draft", home)
    gpu = again(cpu, home, "cuda")

    assert np.abs(encode_all(gpu) - encode_all(cpu)).max() <= 1e-5
    assert np.abs(gpu.encode_queries(QUERIES)[0] - cpu.encode_queries(QUERIES)[0]).max() <= 1e-5


@on_gpu
def test_what_a_gpu_makes_not_finite_is_the_document_s_fault(home: Path) -> None:
    models.write_model(home / ".draft", new=True, poison="index")
    cpu = load(home / ".draft", home)
    gpu = again(cpu, home, "cuda:0")

    with pytest.raises(UnencodableDocument):
        gpu.encode_queries(["the index"])
    assert np.isfinite(gpu.encode_queries(["the vector"])[0]).all()


def test_a_device_that_is_not_there_is_named_with_its_setting() -> None:
    with pytest.raises(ConfigurationError, match=r"LAMINA_ENCODING_DEVICE is cuda:77"):
        device_called("cuda:77")


@pytest.mark.parametrize("name", ["gpu", "cuda:", "cuda:x", "meta", ""])
def test_other_names_are_refused(name: str) -> None:
    with pytest.raises(ValidationError, match="device"):
        EncodingSettings(device=name)
