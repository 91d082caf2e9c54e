"""One encoding process of the pipeline benchmark; its parent says when to begin.

python -m tests.benchmarks.bare reference|bare TEXTS MODELS [PART/PARTS]
"""

import json
import os
import sys
from pathlib import Path

from shared.domain import Chunking, ChunkingMode
from shared.encoder import ModelStore
from shared.settings import DEFAULT_ENCODER, Settings


def wait() -> None:
    """Say that everything is warm and wait for the parent."""
    print("ready", flush=True)
    sys.stdin.readline()


def reference(documents: list[dict[str, str]], models: Path) -> None:
    """Encode with sentence-transformers and its defaults."""
    from sentence_transformers import SentenceTransformer  # noqa: PLC0415 - only in this process

    folder = next(models.glob("*/modules.json")).parent
    model = SentenceTransformer(str(folder), device="cpu")
    texts = [f"{one['title']}\n\n{one['text']}" for one in documents]
    model.encode(texts[:8])
    wait()
    model.encode(texts)
    print("done", flush=True)


def bare(documents: list[dict[str, str]], models: Path, part: int, parts: int) -> None:
    """Encode one part with Lamina's encoder, in claims of the size a worker takes."""
    os.nice(Settings().encoding.nice)
    store = ModelStore(models, pass_tokens=Settings().encoding.pass_tokens, loaded=1)
    encoder = store.load(store.card(DEFAULT_ENCODER).fingerprint)
    rule = Chunking(mode=ChunkingMode.NONE)

    def encode(some: list[dict[str, str]]) -> None:
        encoder.encode(
            [
                passage
                for one in some
                for passage in encoder.chunk(one["title"], one["text"], rule).passages
            ]
        )

    mine = documents[part::parts]
    encode(mine[:8])
    wait()
    for start in range(0, len(mine), 24):
        encode(mine[start : start + 24])
    print("done", flush=True)


if __name__ == "__main__":
    mode, texts, folder, *more = sys.argv[1:]
    loaded = json.loads(Path(texts).read_text())
    if mode == "reference":
        reference(loaded, Path(folder))
    else:
        part, parts = more[0].split("/")
        bare(loaded, Path(folder), int(part), int(parts))
