"""Break the protocol on purpose, one rule at a time, and see that a test notices.

Each mutant is one edit of the source in a copy of the project. The tests that guard the rule must
fail, and by the assertion named here: a time-out, an import error or any other accident counts as
a mutant that survived. The same tests run first on the unbroken copy, where they must pass.

    ./run mutants                 every mutant, and what killed it
    ./run mutants no-fence ...    only these
"""

import argparse
import compileall
import os
import py_compile
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from queue import SimpleQueue
from typing import TypeAlias

from tests.faults.mutations import MUTANTS, Mutant

ROOT = Path(__file__).resolve().parents[2]
_COPIED = ("shared", "web", "workers", "tests")
_LEFT_OUT = shutil.ignore_patterns("__pycache__", "artifacts", ".hypothesis")
_SECONDS = 300
_AT_ONCE = 2

Copies: TypeAlias = "SimpleQueue[Path]"


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of one mutant."""

    killed: bool
    words: str
    seconds: float


def main() -> int:
    """Run the mutants that the command line names; return 1 if one survives."""
    parser = argparse.ArgumentParser(
        prog="./run mutants",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("names", nargs="*", help="only these; all by default")
    names = parser.parse_args().names
    unknown = set(names) - {one.name for one in MUTANTS}
    if unknown:
        parser.error(f"no mutant is called {', '.join(sorted(unknown))}")
    chosen = [one for one in MUTANTS if not names or one.name in names]
    with _copies() as copies, ThreadPoolExecutor(_AT_ONCE) as pool:
        tests = sorted({one.test for one in chosen})
        halves = [tests[start::_AT_ONCE] for start in range(min(_AT_ONCE, len(tests)))]
        for healthy in pool.map(lambda half: _in_some(copies, half), halves):
            if healthy.returncode:
                print(
                    f"{healthy.stdout}{healthy.stderr}\nThe tests fail without any mutation.",
                    file=sys.stderr,
                )
                return 1
        print(f"{len(tests)} tests pass on the unbroken copy.", flush=True)
        verdicts = pool.map(lambda one: _try(copies, one), chosen)
        survivors = [
            mutant.name
            for mutant, verdict in zip(chosen, verdicts, strict=True)
            if not _report(mutant, verdict)
        ]
    print(f"{len(chosen) - len(survivors)} of {len(chosen)} mutants were killed.")
    if survivors:
        print(f"Survived: {', '.join(survivors)}.", file=sys.stderr)
    return 1 if survivors else 0


def _report(mutant: Mutant, verdict: Verdict) -> bool:
    outcome = "killed  " if verdict.killed else "SURVIVED"
    print(f"{outcome} {mutant.name:24} {verdict.seconds:5.1f} s  {mutant.rule}", flush=True)
    print(f"         by {mutant.test}\n         {verdict.words}", flush=True)
    return verdict.killed


@contextmanager
def _copies() -> Iterator[Copies]:
    """Give copies of the project, for as many mutants as run at once."""
    copies: Copies = SimpleQueue()
    with tempfile.TemporaryDirectory() as folder:
        for number in range(_AT_ONCE):
            copy = Path(folder) / str(number)
            _copy(copy)
            copies.put(copy)
        yield copies


@contextmanager
def _free(copies: Copies) -> Iterator[Path]:
    copy = copies.get()
    try:
        yield copy
    finally:
        copies.put(copy)


def _in_some(copies: Copies, tests: Sequence[str]) -> subprocess.CompletedProcess[str]:
    """Run *tests* in a copy that nobody has broken."""
    with _free(copies) as copy:
        return _pytest(copy, tests)


def _try(copies: Copies, mutant: Mutant) -> Verdict:
    with _free(copies) as copy, _mutated(copy, mutant):
        started = time.monotonic()
        done = _pytest(copy, [mutant.test])
        seconds = time.monotonic() - started
    if done.returncode == 0:
        return Verdict(killed=False, words="every test passed", seconds=seconds)
    errors = [line for line in done.stdout.splitlines() if line.startswith("E  ")]
    named = [line for line in errors if re.search(mutant.assertion, line)]
    if named:
        return Verdict(killed=True, words=named[0][1:].strip(), seconds=seconds)
    last = errors[0] if errors else (done.stdout.strip().splitlines() or ["no output"])[-1]
    return Verdict(killed=False, words=f"failed otherwise: {last.strip()}", seconds=seconds)


@contextmanager
def _mutated(copy: Path, mutant: Mutant) -> Iterator[None]:
    """Apply a mutation; take it back afterwards.

    Raises:
        ValueError: the source no longer has the text that the mutant changes, exactly once.
    """
    path = copy / mutant.path
    source = path.read_text(encoding="utf-8")
    if source.count(mutant.before) != 1:
        raise ValueError(f"{mutant.name}: {mutant.path} has not exactly one {mutant.before!r}.")
    path.write_text(source.replace(mutant.before, mutant.after), encoding="utf-8")
    try:
        yield
    finally:
        path.write_text(source, encoding="utf-8")


def _pytest(copy: Path, tests: Sequence[str]) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {
        "PYTHONPATH": str(copy),
        "OMP_NUM_THREADS": "1",
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", *tests]
    try:
        return subprocess.run(
            command,
            cwd=copy,
            env=environment,
            capture_output=True,
            text=True,
            timeout=_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return subprocess.CompletedProcess(command, 1, f"ended after {_SECONDS} s", "")


def _copy(target: Path) -> None:
    target.mkdir()
    for name in _COPIED:
        shutil.copytree(ROOT / name, target / name, ignore=_LEFT_OUT)
    for name in ("pyproject.toml", "README.md"):  # tests read how it tells to set RabbitMQ up
        shutil.copy(ROOT / name, target)
    # By the source's hash: a mutant of the same size within the same second as its original
    # would otherwise be taken for it.
    compiled = compileall.compile_dir(
        target, quiet=1, invalidation_mode=py_compile.PycInvalidationMode.CHECKED_HASH
    )
    if not compiled:
        raise SystemExit("The sources do not compile.")


if __name__ == "__main__":
    sys.exit(main())
