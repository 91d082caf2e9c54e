"""The list of faults stays true: there are thirty, and each is proven by tests that are there."""

import ast
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

from tests.faults.catalogue import FAULTS, Fault
from tests.faults.suite import Outcome

ROOT = Path(__file__).resolve().parents[2]


@cache
def functions_of(file: str) -> frozenset[str]:
    """Return the names of the tests in a module."""
    tree = ast.parse((ROOT / file).read_text(encoding="utf-8"))
    return frozenset(node.name for node in tree.body if isinstance(node, ast.FunctionDef))


def test_there_are_thirty() -> None:
    assert [one.number for one in FAULTS] == list(range(1, 31))
    assert len({one.name for one in FAULTS}) == 30


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: str(fault.number))
def test_a_fault_is_described_and_its_tests_are_there(fault: Fault) -> None:
    assert fault.injected
    assert fault.promise
    assert fault.tests
    for test in fault.tests:
        file, _, name = test.partition("::")
        assert name in functions_of(file), f"{test} is not there"


def test_a_fault_of_which_no_test_ran_is_not_withstood() -> None:
    skipped, failed, passed = Outcome(), Outcome(), Outcome()
    skipped.counts.update(skipped=3)
    failed.counts.update(passed=5, failed=1)
    passed.counts.update(passed=5, skipped=1)

    assert [one.word for one in (Outcome(), skipped, failed, passed)] == [
        "NOT RUN",
        "NOT RUN",
        "FAILED",
        "passed",
    ]


def test_the_command_lists_runs_and_counts() -> None:
    listed = run("--list", "8")
    assert listed.returncode == 0, listed.stderr
    assert "8. no broker from the start" in listed.stdout
    assert "::test_without_a_broker_ringing_does_nothing" in listed.stdout
    unknown = run("31")
    assert (unknown.returncode, "no fault 31" in unknown.stderr) == (2, True)


@pytest.mark.slow
def test_the_command_makes_a_fault_happen() -> None:
    done = run("29")
    assert done.returncode == 0, done.stdout + done.stderr
    assert " 29  passed " in done.stdout
    assert "1 of 1 faults are withstood." in done.stdout


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run `./run faults` with these arguments."""
    return subprocess.run(
        [sys.executable, "-m", "tests.faults.suite", *arguments],
        cwd=ROOT,
        check=False,
        capture_output=True,
        text=True,
        timeout=100,
    )
