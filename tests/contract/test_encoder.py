"""What every `Encoder` and `Encoders` does: the fake and the one that runs a Transformer."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from shared.domain import Chunking, ChunkingMode, Passage
from shared.encoder import ModelStore, pull
from shared.errors import EncoderNotInstalled, UnencodableDocument
from shared.ports import Encoder, Encoders
from tests.fakes.encoder import FakeEncoders, HashEncoder
from tests.models import write_model

NONE = Chunking(mode=ChunkingMode.NONE)
LONG = "the index of the vector and the text. " * 60


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> ModelStore:
    folder = tmp_path_factory.mktemp("store")
    store = ModelStore(folder / "models", pass_tokens=200, loaded=2)
    for seed, name in ((1, "org/one"), (2, "other/one"), (3, "org/two")):
        pull(str(write_model(folder / str(seed), seed=seed)), store, name=name)
    return store


@pytest.fixture(params=["fake", "transformer"])
def encoders(request: pytest.FixtureRequest, store: ModelStore) -> Encoders:
    if request.param == "fake":
        return FakeEncoders(*map(HashEncoder, ("org/one", "other/one", "org/two")))
    return store


@pytest.fixture
def encoder(encoders: Encoders) -> Encoder:
    return encoders.load(encoders.card("org/one").fingerprint)


def passages(encoder: Encoder, texts: Sequence[str], rule: Chunking = NONE) -> list[Passage]:
    return [one for text in texts for one in encoder.chunk("", text, rule).passages]


def test_cards_are_by_name_and_differ(encoders: Encoders) -> None:
    cards = encoders.cards()

    assert [card.name for card in cards] == ["org/one", "org/two", "other/one"]
    assert len({card.fingerprint for card in cards}) == 3


def test_a_card_is_found_by_its_full_or_its_unique_short_name(encoders: Encoders) -> None:
    assert encoders.card("org/one").name == "org/one"
    assert encoders.card("two").name == "org/two"
    for name in ("one", "three", "org", ""):
        with pytest.raises(EncoderNotInstalled):
            encoders.card(name)


def test_an_unknown_fingerprint_is_not_installed(encoders: Encoders) -> None:
    with pytest.raises(EncoderNotInstalled):
        encoders.load("0" * 64)


def test_an_encoder_has_the_card_it_was_asked_by(encoders: Encoders) -> None:
    card = encoders.card("org/two")

    assert encoders.load(card.fingerprint).card == card
    assert encoders.load(card.fingerprint) is encoders.load(card.fingerprint)


def test_vectors_are_float32_in_the_order_given(encoder: Encoder) -> None:
    texts = ["search", "the index of the vector and the text", "", "query"]
    together, _ = encoder.encode(passages(encoder, texts))
    alone = [encoder.encode(passages(encoder, [text]))[0][0] for text in texts]

    assert together.dtype == np.float32
    assert together.shape == (4, encoder.card.dimension)
    assert np.allclose(together, np.stack(alone), atol=1e-6)
    assert np.linalg.norm(together, axis=1) == pytest.approx(1.0, abs=1e-5)


def test_nothing_to_encode_is_no_vectors(encoder: Encoder) -> None:
    vectors, records = encoder.encode([])

    assert vectors.shape == (0, encoder.card.dimension)
    assert list(records) == []
    assert encoder.encode_queries([])[0].shape == (0, encoder.card.dimension)


def test_passes_account_for_every_token_and_between_runs_between_them(encoder: Encoder) -> None:
    calls: list[None] = []
    cut = passages(encoder, [LONG, "search", LONG], Chunking())
    _, records = encoder.encode(cut, between=lambda: calls.append(None))

    assert len(records) > 1
    assert len(calls) == len(records) - 1
    assert sum(record.rows for record in records) == len(cut)
    assert sum(record.tokens for record in records) == sum(one.tokens for one in cut)
    assert all(record.padded_tokens >= record.tokens for record in records)
    assert all(record.seconds >= 0 for record in records)


def test_an_error_between_passes_ends_the_encoding(encoder: Encoder) -> None:
    def interrupt() -> None:
        raise KeyboardInterrupt

    cut = passages(encoder, [LONG, LONG], Chunking())
    with pytest.raises(KeyboardInterrupt):
        encoder.encode(cut, between=interrupt)


def test_queries_say_whether_they_were_cut(encoder: Encoder) -> None:
    vectors, cut = encoder.encode_queries(["search", LONG, ""])

    assert vectors.shape == (3, encoder.card.dimension)
    assert list(cut) == [False, True, False]


def test_a_long_text_becomes_passages_that_cover_it(encoder: Encoder) -> None:
    chunked = encoder.chunk("A title", LONG, Chunking(overlap_tokens=4))

    assert len(chunked.passages) > 1
    assert chunked.warnings == ()
    assert chunked.passages[0].start == 0
    assert chunked.passages[-1].end == len(LONG.rstrip())
    for passage in chunked.passages:
        assert passage.input == f"A title\n\n{LONG[passage.start : passage.end]}"
        assert 0 < passage.tokens <= encoder.card.max_tokens


def test_passages_are_no_longer_than_the_rule_says(encoder: Encoder) -> None:
    chunked = encoder.chunk("", LONG, Chunking(max_tokens=24))

    assert max(passage.tokens for passage in chunked.passages) <= 24


def test_without_cutting_there_is_one_passage_and_a_warning(encoder: Encoder) -> None:
    chunked = encoder.chunk("A title", LONG, NONE)

    assert len(chunked.passages) == 1
    assert chunked.passages[0].tokens == encoder.card.max_tokens
    assert len(chunked.warnings) == 1
    assert chunked.warnings[0].startswith(f"Cut after {encoder.card.max_tokens} of ")


def test_a_short_document_is_one_passage_without_warning(encoder: Encoder) -> None:
    for rule in (NONE, Chunking()):
        chunked = encoder.chunk("A title", "A text.", rule)
        assert [one.input for one in chunked.passages] == ["A title\n\nA text."]
        assert (chunked.passages[0].start, chunked.passages[0].end) == (0, 7)
        assert chunked.warnings == ()
        assert encoder.chunk("A title", "", rule).passages[0].input == "A title"
        assert encoder.chunk("", "A text.", rule).passages[0].input == "A text."


def test_an_empty_document_has_a_vector_and_a_warning(encoder: Encoder) -> None:
    for rule in (NONE, Chunking()):
        chunked = encoder.chunk("", "", rule)
        assert len(chunked.passages) == len(chunked.warnings) == 1
        vectors, _ = encoder.encode(chunked.passages)
        assert np.isfinite(vectors).all()


def test_a_passage_that_the_model_fails_on_fails_its_pass_and_no_other(
    encoder: Encoder, tmp_path: Path
) -> None:
    if isinstance(encoder, HashEncoder):
        bad: Encoder = HashEncoder(poison="9")
    else:
        store = ModelStore(tmp_path / "models", pass_tokens=200, loaded=1)
        folder = write_model(tmp_path / "bad", poison="9")
        bad = store.load(pull(str(folder), store).fingerprint)
    good, poisoned = passages(bad, ["search", "the 9 vector"])

    assert np.isfinite(bad.encode([good])[0]).all()
    for together in ([poisoned], [good, poisoned]):
        with pytest.raises(UnencodableDocument):
            bad.encode(together)
