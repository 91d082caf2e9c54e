"""Make the thirty faults happen, and say of each what its tests say.

./run faults                 all of them, the slow tests too
./run faults 10 12           only these, by number
./run faults --list          what they are, how they are made, what must hold; run nothing
"""

import argparse
import sys
import textwrap
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

import pytest

from tests.faults.catalogue import FAULTS, Fault


@dataclass(slots=True)
class Outcome:
    """What the tests of one fault said."""

    counts: Counter[str] = field(default_factory=Counter)
    seconds: float = 0.0
    notes: list[str] = field(default_factory=list)
    """Tests that failed, and why others did not run."""

    @property
    def word(self) -> str:
        """Return the verdict: one failure is a failure, and without a pass nothing is proven."""
        if self.counts["failed"]:
            return "FAILED"
        return "passed" if self.counts["passed"] else "NOT RUN"

    def add(self, report: pytest.TestReport) -> None:
        """Count one test, by what it says when it is over (or before, if it never ran)."""
        self.seconds += report.duration
        if report.failed:
            self.counts["failed"] += 1
            self.notes.append(f"failed: {report.nodeid}")
        elif report.skipped:
            self.counts["skipped"] += 1
            reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else "no reason given"
            self.notes.append(f"skipped: {report.nodeid}: {reason}")
        elif report.when == "call":
            self.counts["passed"] += 1


class Recorder:
    """A plugin of pytest that sorts what tests say by the test's address."""

    def __init__(self) -> None:
        self._reports: list[pytest.TestReport] = []

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Keep what a test says of its beginning, itself and its end."""
        self._reports.append(report)

    def outcome(self, fault: Fault) -> Outcome:
        """Return what the tests of *fault* said."""
        outcome = Outcome()
        for report in self._reports:
            if report.nodeid.partition("[")[0] in fault.tests:
                outcome.add(report)
        return outcome


def main(arguments: Sequence[str] | None = None) -> int:
    """Do what the command line says; return 1 if a fault is not withstood, or nothing proves it."""
    parser = argparse.ArgumentParser(
        prog="./run faults",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("numbers", nargs="*", type=int, help="only these; all by default")
    parser.add_argument("--list", action="store_true", help="say what they are and run nothing")
    options = parser.parse_args(arguments)
    unknown = set(options.numbers) - {one.number for one in FAULTS}
    if unknown:
        parser.error(f"there is no fault {', '.join(map(str, sorted(unknown)))}")
    chosen = [one for one in FAULTS if not options.numbers or one.number in options.numbers]
    if options.list:
        print("\n\n".join(map(describe, chosen)))
        return 0
    return run(chosen)


def run(faults: Sequence[Fault]) -> int:
    """Run the tests of *faults* and print what each said; return 1 unless all are withstood."""
    recorder = Recorder()
    tests = list(dict.fromkeys(test for fault in faults for test in fault.tests))
    pytest.main(["-q", "-p", "no:cacheprovider", *tests], plugins=[recorder])
    outcomes = [(fault, recorder.outcome(fault)) for fault in faults]
    print()
    for fault, outcome in outcomes:
        counts = ", ".join(f"{count} {word}" for word, count in sorted(outcome.counts.items()))
        print(
            f"{fault.number:3}  {outcome.word:7}  {fault.name} ({counts}; {outcome.seconds:.0f} s)"
        )
        for note in outcome.notes:
            print(f"              {note}")
    withstood = sum(outcome.word == "passed" for _, outcome in outcomes)
    print(f"\n{withstood} of {len(faults)} faults are withstood.")
    return int(withstood < len(faults))


def describe(fault: Fault) -> str:
    """Return a fault in words."""
    words = [f"    made by:   {fault.injected}", f"    must hold: {fault.promise}"]
    filled = [textwrap.fill(one, 100, subsequent_indent=" " * 15) for one in words]
    tests = [f"    test:      {test}" for test in fault.tests]
    return "\n".join([f"{fault.number}. {fault.name}", *filled, *tests])


if __name__ == "__main__":
    sys.exit(main())
