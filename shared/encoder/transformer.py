"""The encoder: tokens, forward pass, pooling and what follows it. Imports torch."""

import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from shared.domain import Chunked, Chunking, EncoderCard, Passage, PassRecord, Vectors
from shared.encoder import passes
from shared.encoder.chunking import LEAST_CONTENT, Chunker, Ids
from shared.encoder.dense import load_dense
from shared.encoder.devices import device_called
from shared.encoder.loading import load_model, load_tokenizer
from shared.encoder.memory import IdMemory
from shared.encoder.pooling import pool
from shared.encoder.spec import DenseSpec, ModelSpec, NormalizeSpec, PoolingSpec
from shared.encoder.tokens import Tokens
from shared.errors import ModelRefused, UnencodableDocument
from shared.indexing.vectors import FP16_MAX


class TransformerEncoder:
    """A model in memory, float32; adapter of the port `Encoder`.

    `chunk` and `encode` may run in several threads; the model's own threads are those of
    `OMP_NUM_THREADS`. Vectors have unit length only where the model says so.
    """

    def __init__(
        self,
        folder: Path,
        spec: ModelSpec,
        card: EncoderCard,
        *,
        pass_tokens: int,
        device: str = "cpu",
    ) -> None:
        """Load the model in *folder* onto *device*.

        Raises:
            ModelRefused: the files cannot be loaded as *spec* says.
            ConfigurationError: torch has no such device here.
        """
        self._device = device_called(device)
        self._spec = spec
        self._card = card
        self._pass_tokens = pass_tokens
        tokenizer = load_tokenizer(folder / spec.transformer, spec)
        self._tokens = Tokens(tokenizer.backend)
        self._pad_id = tokenizer.pad_id
        self._typed = tokenizer.typed
        self._model = load_model(folder / spec.transformer, spec, self._device)
        self._dense = {
            layer.folder: load_dense(folder, layer).to(self._device)
            for layer in spec.layers
            if isinstance(layer, DenseSpec)
        }
        self._chunker = Chunker(
            self._tokens, prompt=spec.document_prompt, max_tokens=card.max_tokens
        )
        self._memory = IdMemory()
        self._prompt_tokens = {
            prompt: tokenizer.prompt_tokens(self._tokens.finish(self._tokens.read(prompt), 10**6))
            for prompt in {spec.query_prompt, spec.document_prompt}
        }
        for prompt in (spec.query_prompt, spec.document_prompt):
            if self._tokens.count(prompt) + self._tokens.specials + LEAST_CONTENT > card.max_tokens:
                raise ModelRefused(
                    f"The model reads {card.max_tokens} tokens, of which its prompt leaves fewer "
                    f"than {LEAST_CONTENT} for text."
                )

    @property
    def card(self) -> EncoderCard:
        """Its name, fingerprint and sizes."""
        return self._card

    def chunk(self, title: str, text: str, rule: Chunking) -> Chunked:
        """Cut a document into passages that fit; warn of what is cut off or empty."""
        chunks, warnings = self._chunker.chunk(title, text, rule)
        for chunk in chunks:
            self._memory.put(chunk.passage, chunk.ids)
        return Chunked(passages=tuple(chunk.passage for chunk in chunks), warnings=warnings)

    def encode(
        self,
        passages: Sequence[Passage],
        *,
        between: Callable[[], None] | None = None,
    ) -> tuple[Vectors, Sequence[PassRecord]]:
        """Encode passages in passes of about a token budget, sorted by length.

        Raises:
            UnencodableDocument: the model fails on a passage, or yields values that are not
                finite or that fp16 cannot hold. Which one, the caller finds by halving.
            MemoryError: a pass did not fit into memory.
        """
        prompt = self._spec.document_prompt
        ids = [self._memory.take(passage) or self._read(passage) for passage in passages]
        return self._encode(ids, self._prompt_tokens[prompt] if prompt else 0, between)

    def encode_queries(self, queries: Sequence[str]) -> tuple[Vectors, Sequence[bool]]:
        """Encode queries with the model's query prompt; say of each whether it was cut.

        Raises:
            UnencodableDocument: as for `encode`.
        """
        prompt, limit = self._spec.query_prompt, self._card.max_tokens
        read = [self._tokens.read(prompt + query) for query in queries]
        cut = [len(one) + self._tokens.specials > limit for one in read]
        ids = [self._tokens.finish(one, limit) for one in read]
        vectors, _ = self._encode(ids, self._prompt_tokens[prompt] if prompt else 0, None)
        return vectors, cut

    def _read(self, passage: Passage) -> Ids:
        whole = self._tokens.read(self._spec.document_prompt + passage.input)
        return self._tokens.finish(whole, passage.tokens)

    def _encode(
        self, ids: Sequence[Ids], prompt_tokens: int, between: Callable[[], None] | None
    ) -> tuple[Vectors, Sequence[PassRecord]]:
        vectors = np.empty((len(ids), self._card.dimension), dtype=np.float32)
        records: list[PassRecord] = []
        for rows in passes.plan([len(one) for one in ids], self._pass_tokens):
            if records and between is not None:
                between()
            began = time.perf_counter()
            tokens, mask = _pad([ids[row] for row in rows], self._pad_id)
            found = self._forward(tokens, mask, prompt_tokens)
            # `not <=` is true for NaN too.
            if not np.abs(found).max(initial=0.0) <= FP16_MAX:
                raise UnencodableDocument("The model yields values that fp16 cannot hold.")
            vectors[rows] = found
            records.append(
                PassRecord(
                    rows=len(rows),
                    tokens=int(mask.sum()),
                    padded_tokens=mask.size,
                    seconds=time.perf_counter() - began,
                )
            )
        return vectors, records

    def _forward(
        self, tokens: NDArray[np.int64], mask: NDArray[np.int64], prompt_tokens: int
    ) -> Vectors:
        """Run one pass over `(rows, longest)` ids; return `(rows, dimension)` float32."""
        inputs = {
            "input_ids": torch.from_numpy(tokens).to(self._device),
            "attention_mask": torch.from_numpy(mask).to(self._device),
        }
        if self._typed:
            inputs["token_type_ids"] = torch.zeros_like(inputs["input_ids"])
        try:
            with torch.inference_mode():
                hidden: Tensor = self._model(**inputs).last_hidden_state
                vectors = self._layers(hidden, inputs["attention_mask"], prompt_tokens).cpu()
        except torch.OutOfMemoryError as error:
            raise MemoryError(str(error)) from error
        except torch.AcceleratorError:
            raise  # nothing runs on the device any more in this process, which must end
        except (RuntimeError, IndexError, ValueError) as error:
            if "allocate memory" in str(error):  # torch's CPU allocator has no class for it
                raise MemoryError(str(error)) from error
            raise UnencodableDocument(f"The model fails: {error}") from error
        found: Vectors = vectors[:, : self._spec.truncate_dim].numpy()
        return found

    def _layers(self, hidden: Tensor, mask: Tensor, prompt_tokens: int) -> Tensor:
        vectors = hidden
        for layer in self._spec.layers:
            match layer:
                case PoolingSpec():
                    vectors = pool(vectors, mask, layer, prompt_tokens)
                case DenseSpec():
                    vectors = self._dense[layer.folder](vectors)
                case NormalizeSpec():
                    vectors = torch.nn.functional.normalize(vectors, dim=1)
        return vectors


def _pad(ids: Sequence[Ids], pad_id: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return ids and mask, both `(rows, longest)` int64, padded on the right."""
    longest = max(1, *map(len, ids)) if ids else 1
    tokens = np.full((len(ids), longest), pad_id, dtype=np.int64)
    mask = np.zeros((len(ids), longest), dtype=np.int64)
    for row, one in enumerate(ids):
        tokens[row, : len(one)] = one
        mask[row, : len(one)] = 1
    return tokens, mask
