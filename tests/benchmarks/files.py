"""How long a book takes from its bytes to being found: `./run bench files [PAGES]`.

A PDF of so many pages (300) of about 2,500 characters is made here, handed in, read in a child and
indexed with the default model, all in one process and one thread, as a parser and one index worker
would one after the other.
"""

import random
import sys
import tempfile
import time
from pathlib import Path

from shared.collecting import create_collection
from shared.domain import Columns, Lane, Submission
from shared.indexing.turns import index_next
from shared.services import open_bench, open_depot, open_mill, open_services
from shared.settings import DEFAULT_ENCODER, Settings
from shared.uploads.parsing import parse_next
from shared.uploads.receiving import judge, receive
from tests.mills import pdf
from tests.models import default_store
from tests.worlds import CountingBell

_WORDS = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8").split()
_WORDS_A_PAGE = 400


def main(pages: int = 300) -> None:
    """Print the seconds of each stage."""
    encoders, _ = default_store()
    with tempfile.TemporaryDirectory() as folder:
        settings = Settings(_env_file=None, data_dir=Path(folder))
        services = open_services(settings, encoders=encoders, bell=CountingBell())
        services.database.migrate()
        create_collection(services.collections, services.encoders, "c", encoder=DEFAULT_ENCODER)
        fingerprint = services.collections.get("c").space.fingerprint
        began = time.perf_counter()
        services.encoders.load(fingerprint)
        told("model loaded", began)
        random.seed(1123)
        plain = [word for word in _WORDS if word.isascii() and word.isalnum()]
        book = pdf([" ".join(random.choices(plain, k=_WORDS_A_PAGE)) + "." for _ in range(pages)])

        began = time.perf_counter()
        depot = open_depot(services)
        incoming = depot.blobs.begin(most=depot.file_bytes)
        incoming.write(book)
        verdict = judge(depot, services.collections.get("c").id, "book.pdf", incoming, Columns())
        submission = Submission(collection="c", source="api", documents=(), lane=Lane.INTERACTIVE)
        job = receive(depot, [verdict], submission).job_id
        told(f"{pages} pages, {len(book):,} bytes accepted", began)

        began = time.perf_counter()
        mill = open_mill(services)
        parse_next(mill)
        mill.reader.close()
        told("read in a child (its start included)", began)

        began = time.perf_counter()
        bench = open_bench(services)
        while index_next(bench):
            pass
        seconds = told("encoded and published", began)
        report = services.records.job(job)
        (stats,) = services.collections.stats()
        print(
            f"{stats.vectors:,} passages, {stats.vectors / seconds:.1f} a second; {report.counts}"
        )
        services.close()


def told(what: str, began: float) -> float:
    """Print how long a stage took; return it."""
    seconds = time.perf_counter() - began
    print(f"{seconds:8.2f} s  {what}")
    return seconds


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
