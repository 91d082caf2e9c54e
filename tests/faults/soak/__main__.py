"""Put mixed load on a whole Lamina under random faults, for minutes or hours, and report.

    python -m tests.faults.soak --minutes N [--on BACKEND] [--seed S] [--report FILE]
                                [--folder FOLDER]                        (or ./run soak …)

Ends with 1 if an invariant did not hold. FILE gets the report as Markdown, and FILE.json as JSON.
"""

import argparse
import json
import random
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from tests.backends import BACKENDS
from tests.datasets import glosses
from tests.faults.producers import Document
from tests.faults.soak.run import Plan, run_soak, say

_TEXTS = 20_000
_WORDS = ("river", "stone", "winter", "market", "lantern", "harbour", "copper", "meadow", "engine")


def main() -> None:
    """Run a soak and print its report."""
    parser = argparse.ArgumentParser(
        prog="./run soak", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--minutes", type=float, required=True)
    parser.add_argument("--on", choices=BACKENDS, default="embedded")
    parser.add_argument("--seed", default=str(random.randrange(10**6)))
    parser.add_argument("--report", type=Path)
    parser.add_argument("--folder", type=Path, help="where data and logs stay; must be new")
    options = parser.parse_args()
    say(f"{options.minutes:g} minutes on {options.on}, seed {options.seed}")
    with folder_for(options.folder) as folder:
        plan = Plan(
            minutes=options.minutes,
            on=options.on,
            seed=options.seed,
            folder=folder,
            texts=find_texts(),
        )
        report = run_soak(plan)
    page = report.as_markdown()
    print(page)
    if options.report:
        options.report.write_text(page, encoding="utf-8")
        options.report.with_name(f"{options.report.name}.json").write_text(
            json.dumps(report.as_json(), indent=2) + "\n", encoding="utf-8"
        )
    sys.exit(1 if report.problems else 0)


@contextmanager
def folder_for(wanted: Path | None) -> Iterator[Path]:
    """Make the folder that is wanted, or one that is gone after the block."""
    if wanted is not None:
        wanted.mkdir(parents=True)
        yield wanted.absolute()
        return
    with tempfile.TemporaryDirectory(prefix="lamina-soak-") as folder:
        yield Path(folder)


def find_texts() -> Sequence[Document]:
    """Return WordNet's glosses, or texts made of a few words where they are not at hand."""
    try:
        return glosses(_TEXTS)
    except FileNotFoundError:
        chance = random.Random(0)
        return [
            {
                "id": str(number),
                "title": " ".join(chance.choices(_WORDS, k=2)),
                "text": " ".join(chance.choices(_WORDS, k=25)),
            }
            for number in range(_TEXTS)
        ]


if __name__ == "__main__":
    main()
