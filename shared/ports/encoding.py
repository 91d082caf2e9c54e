"""What the use cases ask of encoders."""

from collections.abc import Callable, Sequence
from typing import Protocol

from shared.domain import Chunked, Chunking, EncoderCard, Passage, PassRecord, Vectors


class Encoder(Protocol):
    """Text to vectors. Loaded once per process, never before a fork."""

    @property
    def card(self) -> EncoderCard:
        """Its name, fingerprint and sizes."""
        ...

    def chunk(self, title: str, text: str, rule: Chunking) -> Chunked:
        """Cut a document into passages that fit; warn of what is cut off or empty."""
        ...

    def encode(
        self,
        passages: Sequence[Passage],
        *,
        between: Callable[[], None] | None = None,
    ) -> tuple[Vectors, Sequence[PassRecord]]:
        """Encode passages in passes of about a token budget, sorted by length.

        Args:
            passages: from `chunk` of this encoder.
            between: called after each pass but the last (to look for urgent work).

        Returns:
            `(n, dimension)` float32 in the order given, and a record of each pass.

        Raises:
            UnencodableDocument: a passage makes the model fail or yields values that are not
                finite or that fp16 cannot hold.
        """
        ...

    def encode_queries(self, queries: Sequence[str]) -> tuple[Vectors, Sequence[bool]]:
        """Encode queries with the model's query prompt, in one or more passes.

        Returns:
            `(n, dimension)` float32, and for each query whether it was too long and was cut.
        """
        ...


class Encoders(Protocol):
    """The encoders installed here."""

    def cards(self) -> Sequence[EncoderCard]:
        """Return what is installed, by name, without loading any."""
        ...

    def card(self, name: str) -> EncoderCard:
        """Return one by its full name, or by the part after the last slash if that is unique.

        Raises:
            EncoderNotInstalled: there is none.
        """
        ...

    def load(self, fingerprint: str) -> Encoder:
        """Return the encoder, loading it if needed; keeps the last few.

        Raises:
            EncoderNotInstalled: no installed model has this fingerprint.
            CorruptFile: a file differs from what was installed.
        """
        ...
