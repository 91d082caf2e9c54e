"""The shelf of a small world: what naming, comparing and restoring versions works with."""

from shared.ports import IndexStore
from shared.versions.shelf import Shelf
from tests.worlds import World


def shelf_of(world: World, *, store: IndexStore | None = None) -> Shelf:
    """Return the shelf of *world*, its files in *store* if one is given."""
    return Shelf(
        collections=world.collections,
        publications=world.publications,
        reading=world.reading,
        records=world.records,
        versions=world.versions,
        chores=world.chores,
        store=store or world.store,
        files=world.store,
        worker="host:4",
        lease_seconds=30.0,
    )
