"""The list of mutants stays true: each breaks what is there, and its test is there. One runs."""

import ast
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from tests.faults.mutations import MUTANTS, Mutant

ROOT = Path(__file__).resolve().parents[2]
QUICK = "no-sha-in-the-swap"


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_a_mutant_is_one_edit_of_what_is_there_and_its_test_exists(mutant: Mutant) -> None:
    source = (ROOT / mutant.path).read_text(encoding="utf-8")
    assert source.count(mutant.before) == 1, f"{mutant.path} has not exactly one {mutant.before!r}"
    changed = source.replace(mutant.before, mutant.after)
    assert ast.dump(ast.parse(changed)) != ast.dump(ast.parse(source)), "it changes nothing"

    file, _, name = mutant.test.partition("::")
    tree = ast.parse((ROOT / file).read_text(encoding="utf-8"))
    names = {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}
    assert name.partition("[")[0] in names


def test_mutants_have_names_of_their_own_and_are_many() -> None:
    assert [name for name, count in Counter(one.name for one in MUTANTS).items() if count > 1] == []
    assert len(MUTANTS) >= 20


def test_assertions_are_named_by_a_tag() -> None:
    assert [one.name for one in MUTANTS if not one.assertion.startswith("\\[")] == []


@pytest.mark.slow
@pytest.mark.timeout(180)
def test_a_mutant_is_killed_by_its_assertion() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tests.faults.mutants", QUICK],
        cwd=ROOT,
        check=False,
        capture_output=True,
        text=True,
        timeout=170,
    )

    assert done.returncode == 0, done.stdout + done.stderr
    assert "1 of 1 mutants were killed" in done.stdout
    assert "[no-lost-commit]" in done.stdout


def test_a_mutant_that_nobody_knows_is_refused() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tests.faults.mutants", "no-such-mutant"],
        cwd=ROOT,
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
    )

    assert done.returncode == 2
    assert "no mutant is called no-such-mutant" in done.stderr
