"""Maps of versions: wishes, and what was drawn."""

import json

from sqlalchemy import Connection, Update, case, select, update

from shared.catalog.collections.naming import DELETED
from shared.catalog.engine.clock import db_now
from shared.catalog.engine.database import Database
from shared.catalog.engine.dialect import AnyRow, AnySelect, insert_new
from shared.catalog.publishing.lifetimes import hold_live
from shared.catalog.tables import MapRow
from shared.domain import MapReport, MapState, MapWish, Projection

_WANTED = MapState.WANTED.value
_CLEAN = {"state": _WANTED, "tries": 0, "ended_at": None, "detail": "", "content": None}


class SqlMaps:
    """The port `Maps` in SQL."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def ask(self, collection_id: int, version: int, *, sample: int, seed: int) -> MapReport:
        """Wish for a map; what is there already is not drawn again.

        Raises:
            VersionNotFound, VersionExpired
        """

        def work(tx: Connection) -> MapReport:
            hold_live(tx, collection_id, version)  # its end removes the map, before or after this
            new = insert_new(tx.dialect.name, MapRow).values(
                collection_id=collection_id,
                version=version,
                sample=sample,
                seed=seed,
                requested_at=db_now(),
                **_CLEAN,
            )
            other = (
                (MapRow.state == MapState.FAILED.value)
                | (MapRow.sample != sample)
                | (MapRow.seed != seed)
            )
            again = {"sample": sample, "seed": seed, "requested_at": db_now(), **_CLEAN}
            tx.execute(
                new.on_conflict_do_update(
                    index_elements=["collection_id", "version"], set_=again, where=other
                )
            )
            return _report(tx.execute(_of(collection_id, version)).one())

        return self._database.run(work)

    def find(self, collection_id: int, version: int | None = None) -> MapReport | None:
        """Return the map of a version, or of the newest version that has one; None without."""
        newest = (
            select(MapRow.__table__)
            .where(MapRow.collection_id == collection_id)
            .order_by(MapRow.version.desc())
            .limit(1)
        )
        wanted = newest if version is None else _of(collection_id, version)
        with self._database.glance() as tx:
            row = tx.execute(wanted).one_or_none()
        return None if row is None else _report(row)

    def next(self, *, most_tries: int) -> MapWish | None:
        """Return the oldest wish; None if there is none. One that was begun too often fails."""
        with self._database.glance() as tx:
            row = tx.execute(_NEXT).one_or_none()
        if row is None:
            return None
        wish = _wish(row)
        if row.tries < most_tries:
            return wish
        self.fail(wish, f"The process that drew it died {most_tries} times.")
        return self.next(most_tries=most_tries)

    def begin(self, wish: MapWish) -> None:
        """Count a try."""
        more = _still(wish).values(tries=MapRow.tries + 1)
        self._database.run(lambda tx: tx.execute(more).rowcount)

    def spare(self, wish: MapWish) -> None:
        """Take a try back that ended for no fault of the map."""
        fewer = case((MapRow.tries > 0, MapRow.tries - 1), else_=0)
        self._database.run(lambda tx: tx.execute(_still(wish).values(tries=fewer)).rowcount)

    def end(self, wish: MapWish, projection: Projection) -> None:
        """Keep what was drawn; nothing happens if that is no longer wished for."""
        done = {"state": MapState.DONE.value, "content": _written(projection)}
        drawn = _still(wish).values(ended_at=db_now(), **done)
        self._database.run(lambda tx: tx.execute(drawn).rowcount)

    def fail(self, wish: MapWish, reason: str) -> None:
        """Say that it cannot be drawn; nothing happens if it is no longer wished for."""
        failed = {"state": MapState.FAILED.value, "detail": reason}
        given_up = _still(wish).values(ended_at=db_now(), **failed)
        self._database.run(lambda tx: tx.execute(given_up).rowcount)


_NEXT = (
    select(MapRow.collection_id, MapRow.version, MapRow.sample, MapRow.seed, MapRow.tries)
    .where(MapRow.state == _WANTED, MapRow.collection_id.not_in(DELETED))
    .order_by(MapRow.requested_at)
    .limit(1)
)


def _of(collection_id: int, version: int) -> AnySelect:
    return select(MapRow.__table__).where(
        MapRow.collection_id == collection_id, MapRow.version == version
    )


def _still(wish: MapWish) -> Update:
    """Return a change of the map, as long as it is what is wished for."""
    return update(MapRow).where(
        MapRow.collection_id == wish.collection_id,
        MapRow.version == wish.version,
        MapRow.state == _WANTED,
        MapRow.sample == wish.sample,
        MapRow.seed == wish.seed,
    )


def _wish(row: AnyRow) -> MapWish:
    return MapWish(
        collection_id=row.collection_id, version=row.version, sample=row.sample, seed=row.seed
    )


def _report(row: AnyRow) -> MapReport:
    return MapReport(
        collection_id=row.collection_id,
        version=row.version,
        state=MapState(row.state),
        sample=row.sample,
        seed=row.seed,
        requested_at=row.requested_at,
        ended_at=row.ended_at,
        detail=row.detail,
        projection=None if row.content is None else _read(row.content),
    )


def _written(projection: Projection) -> str:
    """Return what was drawn as JSON, about 35 bytes a point."""
    return json.dumps(
        {
            "method": projection.method,
            "explained": projection.explained,
            "settings": dict(projection.settings),
            "vectors": projection.vectors,
            "ids": projection.ids,
            "places": projection.places,
            "clusters": projection.clusters,
        },
        separators=(",", ":"),
    )


def _read(content: str) -> Projection:
    said = json.loads(content)
    return Projection(
        method=said["method"],
        explained=said["explained"],
        settings=said["settings"],
        vectors=said["vectors"],
        ids=tuple(said["ids"]),
        places=tuple((x, y) for x, y in said["places"]),
        clusters=tuple(said["clusters"]),
    )
