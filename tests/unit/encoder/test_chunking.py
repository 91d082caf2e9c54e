"""Documents are cut so that all is read and nothing is too long."""

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer

from shared.domain import Chunking, ChunkingMode
from shared.encoder.chunking import LEAST_CONTENT, Chunk, Chunker, join
from shared.encoder.tokens import Tokens
from tests import models

PROMPT = "passage: "
TOKENIZERS = {
    "word-piece": models.word_piece,
    "byte-level": models.byte_level,
    "unigram": models.unigram,
}
WORDS = st.sampled_from(
    [
        "the",
        "index",
        "of",
        "a",
        "Sentence.",
        "Why?",
        "x" * 150,
        "今日は世界。",
        "مرحبا",
        "\U0001f600",
        "e\u0301\u0301",
        "\U0001f469\u200d\U0001f4bb",
        "\n\n",
        "\n",
        "\t",
        "\x00",
        "\x07\x1b",
        "\u00ad",
        '"Quoted."',
        "(so!)",
        "3.14",
        "\u2029",
        "\ufeff",
        "[SEP]",
    ]
)
TEXTS = st.one_of(
    st.lists(WORDS, max_size=120).map(" ".join),
    st.lists(WORDS, max_size=60).map("".join),
    st.text(max_size=200),
)
TITLES = st.one_of(st.just(""), st.just("A title"), st.lists(WORDS, max_size=25).map(" ".join))


@pytest.fixture(params=list(TOKENIZERS.values()), ids=list(TOKENIZERS), scope="module")
def tokenizer(request: pytest.FixtureRequest) -> Tokenizer:
    made: Tokenizer = request.param()
    return made


def chunker(tokenizer: Tokenizer, max_tokens: int = 48) -> Chunker:
    return Chunker(Tokens(tokenizer), prompt=PROMPT, max_tokens=max_tokens)


def word_chunker(max_tokens: int = 48) -> Chunker:
    return Chunker(Tokens(models.word_piece()), prompt="", max_tokens=max_tokens)


def tokens_before(tokenizer: Tokenizer, text: str, place: int) -> int:
    offsets = tokenizer.encode(text, add_special_tokens=False).offsets
    return sum(end <= place for _, end in offsets)


@settings(max_examples=60)
@given(title=TITLES, text=TEXTS, asked=st.integers(1, 60), overlap=st.integers(0, 40))
def test_every_character_is_read_and_no_passage_is_too_long(
    tokenizer: Tokenizer, title: str, text: str, asked: int, overlap: int
) -> None:
    rule = Chunking(max_tokens=asked, overlap_tokens=overlap)
    chunks, warnings = chunker(tokenizer).chunk(title, text, rule)

    fixed = len(tokenizer.encode(PROMPT).ids)
    limit = min(48, max(asked, fixed + LEAST_CONTENT))
    covered = [False] * len(text)
    for chunk in chunks:
        passage = chunk.passage
        assert 0 <= passage.start <= passage.end <= len(text)
        covered[passage.start : passage.end] = [True] * (passage.end - passage.start)
        assert text[passage.start : passage.end] in passage.input
        assert passage.tokens == len(chunk.ids) <= limit
        read = tokenizer.encode(PROMPT + passage.input).ids
        assert chunk.ids[:-1] == read[: len(chunk.ids) - 1]  # the last is [SEP]
        if not any("cut from the passage" in one or "Cut after" in one for one in warnings):
            assert read == chunk.ids
    if not any("Cut after" in one for one in warnings):
        missing = {one for one, seen in zip(text, covered, strict=True) if not seen}
        assert all(map(str.isspace, missing))
    for before, after in pairwise(chunks):
        assert before.passage.start < after.passage.start
        assert before.passage.end < after.passage.end
        first = tokens_before(tokenizer, text, after.passage.start)
        assert tokens_before(tokenizer, text, before.passage.end) - first <= overlap


@settings(max_examples=40)
@given(title=TITLES, text=TEXTS, asked=st.integers(1, 60))
def test_without_cutting_the_ids_are_those_of_the_whole_input_truncated(
    tokenizer: Tokenizer, title: str, text: str, asked: int
) -> None:
    rule = Chunking(mode=ChunkingMode.NONE, max_tokens=asked)
    chunks, warnings = chunker(tokenizer).chunk(title, text, rule)

    (chunk,) = chunks
    limit = min(48, max(asked, len(tokenizer.encode(PROMPT).ids) + LEAST_CONTENT))
    whole = tokenizer.encode(PROMPT + join(title, text)).ids
    twin = Tokenizer.from_str(tokenizer.to_str())
    twin.enable_truncation(limit)
    assert chunk.ids == twin.encode(PROMPT + join(title, text)).ids
    assert chunk.passage.tokens == len(chunk.ids) == min(limit, len(whole))
    assert chunk.passage.input == join(title, text)
    assert any("Cut after" in one for one in warnings) == (len(whole) > limit)


def parts(text: str, chunks: list[Chunk]) -> list[str]:
    return [text[chunk.passage.start : chunk.passage.end] for chunk in chunks]


def test_a_text_is_cut_between_paragraphs_first() -> None:
    text = "the index of the. " * 3 + "\n\n" + "and search. " * 3 + "the model of a text. " * 3
    chunks, warnings = word_chunker(30).chunk("", text, Chunking(overlap_tokens=0))

    assert parts(text, chunks)[0] == ("the index of the. " * 3).strip()
    assert warnings == ()


def test_a_paragraph_is_cut_between_sentences() -> None:
    text = "the index of the vector and the text. " * 8
    chunks, _ = word_chunker(30).chunk("", text, Chunking(overlap_tokens=0))

    assert all(
        part.startswith("the index") and part.endswith("text.") for part in parts(text, chunks)
    )


def test_a_passage_repeats_the_end_of_the_one_before_from_a_sentence_on() -> None:
    text = "the index of the. " * 20
    chunks, _ = word_chunker(32).chunk("", text, Chunking(overlap_tokens=8))

    for before, after in pairwise(chunks):
        repeated = text[after.passage.start : before.passage.end]
        assert repeated == "the index of the."


def test_the_title_stands_before_every_passage() -> None:
    text = "the index of the. " * 20
    chunks, _ = word_chunker(32).chunk("Search", text, Chunking())

    assert len(chunks) > 2
    assert all(chunk.passage.input.startswith("Search\n\nthe") for chunk in chunks)


def test_a_title_that_leaves_no_room_is_cut_with_a_warning() -> None:
    chunks, warnings = word_chunker(32).chunk("search " * 40, "the index. " * 20, Chunking())

    assert warnings == ("Title cut after 15 of 40 tokens, to leave room for the text.",)
    assert all(chunk.passage.tokens <= 32 for chunk in chunks)
    assert all(chunk.passage.input.startswith("search search") for chunk in chunks)


def test_a_truncated_text_says_how_much_of_it_was_read() -> None:
    text = "the vector " * 100
    rule = Chunking(mode=ChunkingMode.NONE)
    (chunk,), warnings = word_chunker(32).chunk("the", text, rule)

    assert warnings == ("Cut after 32 of 203 tokens; the rest cannot be found by search.",)
    assert (
        text[chunk.passage.start : chunk.passage.end]
        == ("the vector " * 100)[: len("the vector " * 14) + 3]
    )


@pytest.mark.parametrize("mode", ChunkingMode)
@pytest.mark.parametrize("text", ["", "  \n", "\x00\x07"])
def test_an_empty_document_has_one_passage_and_a_warning(mode: ChunkingMode, text: str) -> None:
    (chunk,), warnings = word_chunker().chunk("", text, Chunking(mode=mode))

    assert len(chunk.ids) == 2
    assert len(warnings) == 1
    assert warnings[0].startswith("Title and text are empty")


def test_a_very_long_text_is_tokenized_in_pieces_and_wholly_read() -> None:
    text = "the index of the vector and text. " * 9000  # three pieces
    chunks, warnings = word_chunker(48).chunk("A title", text, Chunking(overlap_tokens=0))

    assert warnings == ()
    assert " ".join(parts(text, chunks)) == text.strip()
