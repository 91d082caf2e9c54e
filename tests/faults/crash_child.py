"""A process that dies at a named point: `python -m tests.faults.crash_child FOLDER POINT WORK`."""

import sys
from pathlib import Path

from shared import failpoints
from shared.catalog import SqlDiscards
from shared.domain import IndexRule, Policy
from shared.settings import MergeSettings
from shared.trust.purging import purge
from shared.trust.repairing import repair
from shared.upkeep.garbage import collect
from shared.upkeep.merging import merge_next, relay_next
from shared.upkeep.removing import remove_next
from shared.versions.restoring import restore
from tests.keeping import keeper_of
from tests.receiver import catalog_of, messenger_of
from tests.shelves import shelf_of
from tests.trust import examine, purger_of, repairer_of, shift_of
from tests.worlds import World

SMALL = MergeSettings(floor=256, ann_from=256, threads=1)
"""Segments of so many vectors are large enough to be laid out."""


def index(world: World) -> None:
    """Index what waits, then merge."""
    world.index_all()
    merge_next(world.upkeep())


def lay_out(world: World) -> None:
    """Lay everything out for approximate search."""
    world.collections.configure("c", index=IndexRule(policy=Policy.SQ8))
    relay_next(world.upkeep())


def clear(world: World) -> None:
    """Collect garbage, under a lease that soon runs out."""
    keeper = keeper_of(world, holder="host:dead", lease_seconds=0.3)
    collect(keeper, world.collections.get("c"), dry_run=False)


def bring_back(world: World) -> None:
    """Restore version 1."""
    restore(shelf_of(world), "c", "1")


def erase(world: World) -> None:
    """Purge a document, under a lease that soon runs out."""
    shift = shift_of(world, holder="host:dead", lease_seconds=0.3)
    purge(purger_of(world, shift=shift), "c", "d2")


def rebuild(world: World) -> None:
    """Repair what is damaged, under a lease that soon runs out."""
    damages = examine(world, sample=0).damages
    shift = shift_of(world, holder="host:dead", lease_seconds=0.3)
    repair(repairer_of(world, shift=shift), world.collections.get("c"), damages)


def deliver(world: World) -> None:
    """Tell webhooks what happened, under a lease that soon runs out."""
    with messenger_of(world.folder, lease_seconds=0.3) as messenger:
        messenger.deliver()


def remove(world: World) -> None:
    """Remove deleted collections for good."""
    with catalog_of(world.folder) as database:
        while remove_next(SqlDiscards(database), world.store, deleted_days=0):
            pass


WORKS = {
    "deliver": deliver,
    "remove": remove,
    "index": index,
    "relay": lay_out,
    "collect": clear,
    "restore": bring_back,
    "purge": erase,
    "repair": rebuild,
}


def main(folder: str, point: str, work: str = "index") -> None:
    """Do *work* in the world of *folder*; die at *point* on the way."""
    with World.open(Path(folder), merge=SMALL if work == "relay" else None) as world:
        failpoints.arm(point)
        WORKS[work](world)


if __name__ == "__main__":
    main(*sys.argv[1:])
