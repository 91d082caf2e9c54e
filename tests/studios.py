"""What drawing maps needs in a small world."""

from collections.abc import Iterator
from contextlib import contextmanager

from shared.catalog import SqlMaps
from shared.index import cluster
from shared.projecting.mapping import Studio
from tests.receiver import catalog_of
from tests.trust import shift_of
from tests.worlds import World


@contextmanager
def studio_of(
    world: World, *, holder: str = "host:6", lease_seconds: float = 30.0
) -> Iterator[Studio]:
    """Give what a process needs to draw maps of *world*."""
    with catalog_of(world.folder) as database:
        yield Studio(
            maps=SqlMaps(database),
            collections=world.collections,
            reading=world.reading,
            store=world.store,
            files=world.store,
            shift=shift_of(world, holder=holder, lease_seconds=lease_seconds),
            clusterer=cluster,
        )
