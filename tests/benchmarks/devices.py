"""How fast models of two usual sizes encode on the CPU and on a GPU, by tokens of a pass.

./run bench devices [cpu|cuda ...]

Weights are random, which costs the same time; texts are as long as abstracts.
"""

import os
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from transformers import BertConfig, BertModel

from shared.domain import Chunking, ChunkingMode, Passage
from shared.encoder import ModelStore
from shared.encoder.installation import install
from shared.encoder.model_files import read_spec
from shared.encoder.transformer import TransformerEncoder
from tests import models

LONGEST = 256
PASS_TOKENS = {"cpu": (2000, 16_000), "cuda": (2000, 8000, 32_000, 128_000)}
DOCUMENTS = {"cpu": 200, "cuda": 8000}


@dataclass(frozen=True)
class Size:
    """The shape of a BERT."""

    name: str
    width: int
    layers: int


SIZES = (Size("MiniLM-L6, 384 wide", 384, 6), Size("base, 768 wide", 768, 12))


def install_model(size: Size, folder: Path) -> ModelStore:
    """Write a model of this size with random weights and install it into *folder*."""
    draft = folder / ".draft"
    models.write_transformer(draft, model_max_length=LONGEST)
    BertModel(
        BertConfig(
            vocab_size=models.word_piece().get_vocab_size(),
            hidden_size=size.width,
            num_hidden_layers=size.layers,
            num_attention_heads=12,
            intermediate_size=4 * size.width,
        )
    ).save_pretrained(draft)
    install(draft, folder, name="bench/model", source="random", revision=None, probe=True)
    return ModelStore(folder, pass_tokens=2000, loaded=1)


def passages(encoder: TransformerEncoder, number: int) -> list[Passage]:
    """Return passages of 20 to 256 tokens, most of them long, as abstracts are."""
    random = np.random.default_rng(5)
    rule = Chunking(mode=ChunkingMode.NONE)
    lengths = np.clip(random.normal(230, 80, number), 18, LONGEST - 2).astype(int)
    texts = (" ".join(random.choice(models.WORDS, length)) for length in lengths)
    return [encoder.chunk("", text, rule).passages[0] for text in texts]


def measure(size: Size, devices: list[str]) -> None:
    """Print a row for each device and number of tokens."""
    with tempfile.TemporaryDirectory() as home:
        store = install_model(size, Path(home))
        (card,) = store.cards()
        (folder,) = Path(home).glob("[!.]*")
        first = None
        for device in devices:
            for tokens in PASS_TOKENS[device]:
                encoder = TransformerEncoder(
                    folder, read_spec(folder), card, pass_tokens=tokens, device=device
                )
                some = passages(encoder, DOCUMENTS[device])
                encoder.encode(some[:100])
                began = time.perf_counter()
                encoder.encode(some)
                rate = len(some) / (time.perf_counter() - began)
                first = first or rate
                print(
                    f"| {size.name} | {device} | {tokens:,} | {rate:,.0f} | {rate / first:.1f} x |"
                )


def main() -> None:
    """Measure on the devices that the command line names, by default all that are here."""
    here = ["cpu", "cuda"] if torch.cuda.is_available() else ["cpu"]
    print(f"{os.cpu_count()} cores, {torch.get_num_threads()} threads, torch {torch.__version__}")
    print("| model | device | tokens of a pass | documents/s | against the first |")
    print("| --- | --- | --- | --- | --- |")
    for size in SIZES:
        measure(size, sys.argv[1:] or here)


if __name__ == "__main__":
    main()
