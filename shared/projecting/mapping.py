"""Draw the maps that are wished for, one after another.

Whoever dies here leaves the wish, and the next process begins anew; a wish whose process died a
few times has failed, so that one that cannot be borne does not end process after process.
"""

from dataclasses import dataclass

import numpy as np
import structlog

from shared.domain import ChoreKind, Collection, Head, Manifest, MapWish, Projection
from shared.errors import CorruptFile, Fenced, NotFound, Retryable, VersionExpired
from shared.failpoints import reach
from shared.indexing.publishing import read_manifest
from shared.ports import Clusterer, Collections, IndexFiles, IndexStore, Maps, Reading
from shared.projecting.drawing import Sample, draw
from shared.trust.damage import quarantine
from shared.upkeep.chores import Duty, Shift

_log = structlog.get_logger(__name__)

MOST_TRIES = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Studio:
    """What drawing maps works with."""

    maps: Maps
    collections: Collections
    reading: Reading
    store: IndexStore
    files: IndexFiles
    shift: Shift
    clusterer: Clusterer


def draw_next(studio: Studio) -> bool:
    """Draw the map that was wished for first; whether there was one.

    Raises:
        Retryable: the catalog or the index cannot be read now, or this process shall end.
        Fenced: the chore was taken away; the wish stays.
    """
    wish = studio.maps.next(most_tries=MOST_TRIES)
    if wish is None:
        return False
    detail = f"Map of version {wish.version}, of at most {wish.sample:,} passages"
    with Duty(studio.shift, wish.collection_id, ChoreKind.MAP, detail) as duty:
        if duty is None:  # another process draws it
            return False
        studio.maps.begin(wish)
        try:
            projection = _draw(studio, wish, duty)
        except (Retryable, Fenced):
            studio.maps.spare(wish)
            raise
        except (NotFound, VersionExpired, CorruptFile) as error:
            duty.give_up(error.detail)
            studio.maps.fail(wish, error.detail)
            return True
        reach("map.drawn")
        studio.maps.end(wish, projection)
        duty.outcome = f"Map of {len(projection.ids):,} passages of version {wish.version}"
    return True


def _draw(studio: Studio, wish: MapWish, duty: Duty) -> Projection:
    """Return the map.

    Raises:
        NotFound, VersionExpired: the version, or its collection, is not there any more.
        CorruptFile: a file of the version is damaged; it is in quarantine.
        Retryable, Fenced
    """
    duty.hold(wish.version)
    collection = studio.collections.by_id(wish.collection_id)
    head = studio.reading.version(wish.collection_id, wish.version)
    try:
        sample = _sample(studio, read_manifest(studio.store, head, collection), wish)
    except CorruptFile:
        _quarantine(studio, collection, head)
        raise
    if not len(sample.ids):
        return _empty()
    return draw(sample, studio.clusterer, seed=wish.seed, step=duty.step)


def _sample(studio: Studio, manifest: Manifest, wish: MapWish) -> Sample:
    """Return as many of the live vectors as are wished for, all alike likely to be among them."""
    ids = studio.store.open(manifest).ids()
    live = len(ids)
    if live > wish.sample:
        chosen = np.random.default_rng(wish.seed).choice(live, wish.sample, replace=False)
        ids = ids[np.sort(chosen)]
    vectors = studio.store.vectors(manifest, ids)
    return Sample(ids=ids, vectors=vectors, of=live, metric=manifest.metric)


def _quarantine(studio: Studio, collection: Collection, head: Head) -> None:
    quarantine(studio.shift.chores, studio.store, studio.files, collection, head)


def _empty() -> Projection:
    return Projection(
        method="pca", explained=1.0, settings={}, vectors=0, ids=(), places=(), clusters=()
    )
