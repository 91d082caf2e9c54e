"""Queries of many requests share a pass, and none waits for ever for a model."""

import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from shared.errors import EncoderNotInstalled, EncoderNotReady
from shared.searching.batching import QueryBatcher
from tests.fakes.encoder import FakeEncoders, HashEncoder

FINGERPRINT = HashEncoder().card.fingerprint


class Gated(FakeEncoders):
    """Encoders that load only when the gate opens."""

    def __init__(self) -> None:
        super().__init__()
        self.gate = threading.Event()
        self.asked = threading.Event()

    def load(self, fingerprint: str) -> HashEncoder:
        self.asked.set()
        assert self.gate.wait(20)
        return super().load(fingerprint)


def test_who_waits_too_long_for_a_model_is_told_so_and_harms_nobody() -> None:
    encoders = Gated()
    batcher = QueryBatcher(encoders, patience_seconds=0.2)
    with pytest.raises(EncoderNotReady, match=r"0\.2 seconds"):
        batcher.encode(FINGERPRINT, ["given up in the load"])
    with pytest.raises(EncoderNotReady):
        batcher.encode(FINGERPRINT, ["given up in the queue"])
    with ThreadPoolExecutor() as pool:
        warmed = pool.submit(batcher.warm_up, FINGERPRINT)
        encoders.gate.set()
        warmed.result(timeout=20)
    (vector, _cut), (again, _) = batcher.encode(FINGERPRINT, ["one", "one"])
    np.testing.assert_array_equal(vector, again)
    batcher.close()


def test_who_gave_up_is_passed_over_when_the_model_is_not_there() -> None:
    encoders = Gated()
    batcher = QueryBatcher(encoders, patience_seconds=0.2)
    with pytest.raises(EncoderNotReady):
        batcher.encode("no such model", ["given up"])
    encoders.gate.set()
    with pytest.raises(EncoderNotInstalled):
        batcher.encode("no such model", ["still there"])
    batcher.close()


def test_queries_that_gather_while_a_pass_runs_share_the_next() -> None:
    encoders = Gated()
    batcher = QueryBatcher(encoders, patience_seconds=20)
    texts = [f"query {number}" for number in range(12)]
    with ThreadPoolExecutor(len(texts)) as pool:
        answers = [pool.submit(batcher.encode, FINGERPRINT, [text]) for text in texts]
        assert encoders.asked.wait(20)
        encoders.gate.set()
        found = [answer.result(timeout=20)[0][0] for answer in answers]
    alone = batcher.encode(FINGERPRINT, texts)
    np.testing.assert_array_equal(found, [vector for vector, _cut in alone])
    batcher.close()
