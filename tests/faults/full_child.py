"""A world on a file system that runs full: `python -m tests.faults.full_child FOLDER`."""

import sys
from pathlib import Path

from shared.errors import Retryable
from shared.upkeep.garbage import collect
from tests.keeping import check_nothing_lost, contents, keep_only, keeper_of
from tests.worlds import World

MOST = 1000


def main(folder: Path) -> None:
    """Publish until the disk is full; clear up; go on. Nothing is lost on the way."""
    with World.open(folder) as world:
        world.index_all()
        indexed = fill(world)
        before = contents(world)
        check_nothing_lost(world, before)
        head = world.head()
        refuse(world)
        assert world.head() == head, "[disk-fault] the head moved"
        check_nothing_lost(world, before)

        collect(keeper_of(world), keep_only(world, 1), dry_run=False)
        world.index_all()

        live = world.live_documents()
        wanted = {f"d{number}" for number in range(indexed + 1)}
        assert wanted <= live.keys(), "[disk-fault] a document was lost"
        passages = {live[name] for name in wanted}
        assert len(passages) == 1, "[disk-fault] documents as long as each other differ"


def fill(world: World) -> int:
    """Index a document a version until there is no space; return the number of the last."""
    for number in range(MOST):
        world.add({"id": f"d{number}", "text": f"text {number} " + "word " * 6_000})
        try:
            world.index_all()
        except Retryable as error:
            assert "No space left" in str(error), error
            return number
    raise AssertionError("The disk did not run full.")


def refuse(world: World) -> None:
    """Try again on the full disk."""
    try:
        world.index_all()
    except Retryable:
        return
    raise AssertionError("There was space after all.")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
