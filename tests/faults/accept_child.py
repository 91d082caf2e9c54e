"""A process that accepts and dies: `python -m tests.faults.accept_child FOLDER URL STATEMENT KEY`.

It submits the documents `a` and `b` under KEY to the world of FOLDER, and kills itself when its
transaction has executed so many statements; `done` on the way out says that it had fewer.
"""

import os
import signal
import sys
from pathlib import Path

from tests.faults.strikes import struck_at
from tests.keeping import database_of
from tests.worlds import World

TEXTS = {"a": "accepted by one that dies", "b": "and another"}


def main(folder: str, url: str, statement: str, key: str) -> None:
    """Submit, and die on the way."""
    with World.open(Path(folder), database_url=url) as world:
        documents = [{"id": name, "text": said} for name, said in TEXTS.items()]
        with struck_at(
            database_of(world), int(statement), lambda _: os.kill(os.getpid(), signal.SIGKILL)
        ):
            world.add(*documents, key=key)
        print("done", flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
