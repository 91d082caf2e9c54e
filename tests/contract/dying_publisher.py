"""A process that publishes and dies: `python -m tests.contract.dying_publisher URL STATEMENT`.

It publishes three documents and kills itself when the commit has executed so many statements;
`survived N` on the way out says that it had only N.
"""

import os
import signal
import sys
from typing import Any

from sqlalchemy import Engine, event

from tests.contract.catalogs import Catalog


def main(url: str, fatal: int) -> None:
    """Publish, and die on the way."""
    catalog = Catalog(url)
    claim = catalog.must_claim("host:dead", max_documents=3)
    commit = catalog.fit(claim, catalog.register(claim, "host:dead"))
    executed = 0

    @event.listens_for(Engine, "after_cursor_execute")
    def die(*_: Any) -> None:
        nonlocal executed
        executed += 1
        if executed == fatal:
            os.kill(os.getpid(), signal.SIGKILL)

    catalog.publications.commit(commit)
    print("survived", executed, flush=True)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
