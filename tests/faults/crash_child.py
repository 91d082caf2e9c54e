"""A process that dies at a named point: `python -m tests.faults.crash_child FOLDER POINT WORK`."""

import sys
from dataclasses import replace
from pathlib import Path

from shared import failpoints
from shared.catalog import SqlDiscards
from shared.domain import IndexRule, Policy
from shared.projecting.mapping import draw_next
from shared.rebuilding.merging import merge_part_next
from shared.rebuilding.turns import rebuild_next
from shared.settings import MergeSettings
from shared.trust.purging import purge
from shared.trust.repairing import repair
from shared.upkeep.garbage import collect
from shared.upkeep.merging import merge_next, relay_next
from shared.upkeep.removing import remove_next
from shared.uploads.clearing import clear_away
from shared.versions.restoring import restore
from tests.keeping import keeper_of
from tests.mills import attic_of, mill_of, parse_all, send
from tests.receiver import catalog_of, messenger_of
from tests.shelves import shelf_of
from tests.studios import studio_of
from tests.trust import examine, purger_of, repairer_of, shift_of
from tests.worlds import World

SMALL = MergeSettings(floor=256, ann_from=256, threads=1)
"""Segments of so many vectors are large enough to be laid out."""
SETTINGS = {"relay": SMALL, "build-anew": MergeSettings(fan_in=2, threads=1)}
"""By work; the product's for what is not named."""


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


def build_anew(world: World) -> None:
    """Bring the rebuild that is under way to its end, a few documents at a time."""
    few = replace(world.bench, max_documents=3)
    while rebuild_next(few, world.renditions.running(), let_pass=lambda: None):
        if len(world.renditions.parts(world.collection.id)) > 1:
            merge_part_next(world.upkeep(worker="host:1"), world.renditions)


def deliver(world: World) -> None:
    """Tell webhooks what happened, under a lease that soon runs out."""
    with messenger_of(world.folder, lease_seconds=0.3) as messenger:
        messenger.deliver()


def remove(world: World) -> None:
    """Remove deleted collections for good."""
    with catalog_of(world.folder) as database:
        while remove_next(SqlDiscards(database), world.store, deleted_days=0):
            pass


def take_files(world: World) -> None:
    """Hand a file in."""
    send(world, {"a.txt": b"alpha"})


def read_files(world: World) -> None:
    """Read files under a lease that soon runs out, and clear away."""
    parse_all(mill_of(world, lease_seconds=0.5))
    clear_away(attic_of(world), grace_seconds=0, failed_seconds=0, draft_seconds=3600)


def draw(world: World) -> None:
    """Draw the maps that are wished for, under a lease that soon runs out."""
    with studio_of(world, holder="host:dead", lease_seconds=0.3) as studio:
        draw_next(studio)


WORKS = {
    "map": draw,
    "build-anew": build_anew,
    "take files": take_files,
    "read files": read_files,
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
    with World.open(Path(folder), merge=SETTINGS.get(work)) as world:
        failpoints.arm(point)
        WORKS[work](world)


if __name__ == "__main__":
    main(*sys.argv[1:])
