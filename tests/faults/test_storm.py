"""A short storm on each backend; `./run storm` is the long one."""

from pathlib import Path

import pytest

from tests.datasets import glosses, need
from tests.faults.storm import run_storm

_SHORT = 200  # documents


@pytest.mark.slow
@pytest.mark.timeout(400)
@pytest.mark.parametrize("backend", ["embedded", "postgresql-redis", "postgresql-rabbitmq"])
def test_whatever_is_killed_each_acknowledged_document_is_indexed_exactly_once(
    tmp_path: Path, backend: str
) -> None:
    need("wordnet-glosses")

    report = run_storm(tmp_path / "var", glosses(_SHORT), kills=1, seed=20261122, on=backend)

    assert report.verdict is not None
    report.verdict.check()
    assert report.verdict.documents == _SHORT
    assert report.verdict.indexed == _SHORT
    wanted = {"index": 2, "web": 1, "intake": 1, "broker": 1}
    assert report.kills == wanted | ({} if backend == "embedded" else {"database": 1})
    assert report.found == report.searches
