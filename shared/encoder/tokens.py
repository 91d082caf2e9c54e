"""The tokenizer as Lamina uses it: one text at a time, no padding, explicit limits."""

from tokenizers import Encoding, Tokenizer

LONGEST_PIECE = 200_000
"""Characters of a text that are tokenized at once, so that memory stays bounded."""


class Tokens:
    """Turns texts into token ids. Safe for many threads: it changes no state of the tokenizer.

    Texts are given to the tokenizer one by one: its batch call starts a pool of threads, which
    a one-thread worker must not have, and is only a few per cent of the cost of one pass faster.
    """

    def __init__(self, tokenizer: Tokenizer) -> None:
        # Files bring their own truncation and padding (MiniLM's cuts at 128 of 256 tokens).
        tokenizer.no_truncation()
        tokenizer.no_padding()
        self._tokenizer = tokenizer
        self.specials = int(tokenizer.num_special_tokens_to_add(is_pair=False))
        """Special tokens that every text gets."""

    def read(self, text: str) -> Encoding:
        """Tokenize without special tokens and without limit."""
        return self._tokenizer.encode(text, add_special_tokens=False)

    def finish(self, encoding: Encoding, limit: int) -> list[int]:
        """Cut what `read` returned so that it is at most *limit* ids with special tokens.

        *encoding* is used up.
        """
        encoding.truncate(max(0, limit - self.specials))
        return list(self._tokenizer.post_process(encoding, None, add_special_tokens=True).ids)

    def count(self, text: str) -> int:
        """Count tokens, special ones not included."""
        return len(self.read(text))
