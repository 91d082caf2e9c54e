"""A short storm in each test run; `./run storm` is the long one."""

from pathlib import Path

import pytest

from tests.datasets import glosses, need
from tests.faults.storm import KINDS, run_storm


@pytest.mark.timeout(300)
def test_whatever_is_killed_each_acknowledged_document_is_indexed_exactly_once(
    tmp_path: Path,
) -> None:
    need("wordnet-glosses")

    report = run_storm(tmp_path / "var", glosses(900), kills=2, seed=20261122)

    assert report.verdict is not None
    report.verdict.check()
    assert report.verdict.acknowledged == 900
    assert all(report.kills[kind] >= 1 for kind in KINDS), report.kills
    assert report.found >= report.searches * 0.9
