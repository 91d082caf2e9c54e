"""Collections and their spaces."""

from collections.abc import Sequence

from sqlalchemy import (
    Connection,
    bindparam,
    func,
    insert,
    literal_column,
    select,
    text,
    update,
)

from shared.catalog.collections.naming import (
    IS_THERE,
    check_free,
    check_name,
    find,
    hold_names,
    named,
)
from shared.catalog.engine.clock import db_now, read_clock
from shared.catalog.engine.database import Database
from shared.catalog.engine.dialect import AnyRow, AnySelect
from shared.catalog.tables import (
    HEAD_COUNTER,
    WAITING_STATES,
    CollectionRow,
    CounterRow,
    HeadRow,
    RebuildRow,
    RevisionRow,
    SpaceRow,
    VersionRow,
)
from shared.domain import (
    DEFAULT_INDEX_RULE,
    DEFAULT_RETENTION_RULE,
    Chunking,
    ChunkingMode,
    Collection,
    CollectionStats,
    IndexRule,
    Metric,
    Policy,
    RetentionRule,
    Space,
    SpaceDraft,
    VersionKind,
)
from shared.errors import CollectionNotFound


class SqlCollections:
    """The port `Collections` in SQL."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def create(
        self,
        name: str,
        draft: SpaceDraft,
        *,
        index: IndexRule = DEFAULT_INDEX_RULE,
        retention: RetentionRule = DEFAULT_RETENTION_RULE,
        keep_originals: bool = False,
    ) -> Collection:
        """Create a collection with one space and its rules, at version 0 without a manifest file.

        Raises:
            InvalidRequest: the name is not lower-case letters, digits, `-` and `_`, up to 63.
            CollectionExists: the name is taken, if only as an alias.
        """
        check_name(name)
        rules = _index_values(index) | _retention_values(retention)
        rules["keep_originals"] = keep_originals
        return self._database.run(lambda tx: _create(tx, name, draft, rules))

    def get(self, name: str) -> Collection:
        """Return what *name*, maybe an alias, means; `CollectionNotFound` if that is nothing."""
        with self._database.read() as tx:
            row = tx.execute(_NAMED, {"wanted": name}).one_or_none()
        if row is None:
            raise CollectionNotFound(f"No collection is called {name!r}.")
        return _collection(row)

    def by_id(self, collection_id: int) -> Collection:
        """Return the collection with this id, a deleted one too; `CollectionNotFound` if none."""
        with self._database.read() as tx:
            row = tx.execute(_collections().where(CollectionRow.id == collection_id)).one_or_none()
        if row is None:
            raise CollectionNotFound(f"No collection has the id {collection_id}.")
        return _collection(row)

    def space(self, space_id: int) -> Space:
        """Return a space, live or not; `CollectionNotFound` if there is none."""
        with self._database.glance() as tx:
            row = tx.execute(select(*SPACE_COLUMNS).where(SpaceRow.id == space_id)).one_or_none()
        if row is None:
            raise CollectionNotFound(f"No collection has a space with the id {space_id}.")
        return space_of(row)

    def stats(self) -> Sequence[CollectionStats]:
        """Return every collection in numbers, by name."""
        waiting = (
            select(func.count())
            .where(
                RevisionRow.collection_id == CollectionRow.id, RevisionRow.state.in_(WAITING_STATES)
            )
            .scalar_subquery()
        )
        statement = (
            _collections()
            .where(IS_THERE)
            .join(HeadRow, HeadRow.collection_id == CollectionRow.id)
            .join(
                VersionRow,
                (VersionRow.collection_id == HeadRow.collection_id)
                & (VersionRow.version == HeadRow.version),
            )
            .add_columns(*_TOTALS, waiting.label("waiting"))
            .order_by(CollectionRow.name)
        )
        with self._database.read() as tx:
            rows = tx.execute(statement).all()
        return [_stats(row) for row in rows]

    def configure(
        self,
        name: str,
        *,
        index: IndexRule | None = None,
        retention: RetentionRule | None = None,
        keep_originals: bool | None = None,
    ) -> Collection:
        """Change a collection's rules; None leaves one as it is.

        Raises:
            CollectionNotFound: there is none.
        """
        values = (_index_values(index) if index else {}) | (
            _retention_values(retention) if retention else {}
        )
        if keep_originals is not None:
            values["keep_originals"] = keep_originals

        def work(tx: Connection) -> None:
            collection_id = find(tx, name)
            if values:
                changed = update(CollectionRow).where(CollectionRow.id == collection_id)
                tx.execute(changed.values(**values))

        self._database.run(work)
        return self.get(name)


def live_spaces(tx: Connection, fingerprints: Sequence[str]) -> dict[int, Space]:
    """Return the live spaces of these encoders, by collection id, but of those that are held."""
    rows = tx.execute(_LIVE_SPACES, {"fingerprints": fingerprints})
    return {row.collection_id: space_of(row) for row in rows}


def live_space(tx: Connection, collection_id: int) -> Space:
    """Return the live space of a collection."""
    wanted = select(*SPACE_COLUMNS).where(SpaceRow.collection_id == collection_id, SpaceRow.live)
    return space_of(tx.execute(wanted).one())


SPACE_COLUMNS = (
    SpaceRow.id.label("space_id"),
    SpaceRow.encoder,
    SpaceRow.fingerprint,
    SpaceRow.dimension,
    SpaceRow.metric,
    SpaceRow.chunking_mode,
    SpaceRow.chunking_max_tokens,
    SpaceRow.chunking_overlap_tokens,
)
_TOTALS = (
    VersionRow.version,
    VersionRow.published_at,
    VersionRow.documents,
    VersionRow.vectors,
    VersionRow.segments,
    VersionRow.bytes,
)
# A rebuild is catching up with the last of them.
_HELD = select(RebuildRow.collection_id).where(
    text("rebuilds.state = 'running'"), RebuildRow.held_until > db_now()
)
_LIVE_SPACES = (
    select(SpaceRow.collection_id, *SPACE_COLUMNS)
    .join(CollectionRow, CollectionRow.id == SpaceRow.collection_id)
    .where(
        SpaceRow.live,
        SpaceRow.fingerprint.in_(bindparam("fingerprints", expanding=True)),
        IS_THERE,
        SpaceRow.collection_id.not_in(_HELD),
    )
)
_MOVE_COUNTER = (
    update(CounterRow)
    .where(CounterRow.name == HEAD_COUNTER)
    .values(value=CounterRow.value + literal_column("1"))
)


def _collections() -> AnySelect:
    return select(CollectionRow.__table__, *SPACE_COLUMNS).join(
        SpaceRow, (SpaceRow.collection_id == CollectionRow.id) & SpaceRow.live
    )


_NAMED = _collections().where(named(bindparam("wanted")))


def _create(tx: Connection, name: str, draft: SpaceDraft, rules: dict[str, object]) -> Collection:
    now = read_clock(tx)
    hold_names(tx)
    check_free(tx, name)
    made = insert(CollectionRow).values(name=name, created_at=now, **rules)
    collection_id = tx.execute(made.returning(CollectionRow.id)).scalar_one()
    insert_space(tx, collection_id, draft, now, live=True)
    first: dict[str, object] = {"collection_id": collection_id, "version": 0, "published_at": now}
    first |= {"manifest_file": "", "manifest_sha256": ""}
    totals = {"documents": 0, "vectors": 0, "segments": 0, "bytes": 0}
    tx.execute(
        insert(VersionRow).values(kind=VersionKind.CREATE.value, state="live", **first, **totals)
    )
    tx.execute(insert(HeadRow).values(**first))
    move_counter(tx)
    return _collection(tx.execute(_collections().where(CollectionRow.id == collection_id)).one())


def move_counter(tx: Connection) -> None:
    """Tell readers that a head moved. Last in a transaction: all publishers share this row."""
    tx.execute(_MOVE_COUNTER)


def insert_space(
    tx: Connection, collection_id: int, draft: SpaceDraft, now: float, *, live: bool
) -> int:
    """Add a space to a collection; return its id."""
    values = _space_values(draft, now) | {"collection_id": collection_id, "live": live}
    return tx.execute(insert(SpaceRow).values(**values).returning(SpaceRow.id)).scalar_one()


def make_live(tx: Connection, collection_id: int, space_id: int) -> None:
    """Make one of a collection's spaces the one that is searched and written."""
    mine = SpaceRow.collection_id == collection_id
    # In two statements, since never two of them may be live.
    tx.execute(
        update(SpaceRow).where(mine, SpaceRow.live, SpaceRow.id != space_id).values(live=False)
    )
    tx.execute(update(SpaceRow).where(mine, SpaceRow.id == space_id).values(live=True))


def _space_values(draft: SpaceDraft, now: float) -> dict[str, object]:
    return {
        "encoder": draft.encoder.name,
        "fingerprint": draft.encoder.fingerprint,
        "dimension": draft.encoder.dimension,
        "metric": draft.metric.value,
        "chunking_mode": draft.chunking.mode.value,
        "chunking_max_tokens": draft.chunking.max_tokens,
        "chunking_overlap_tokens": draft.chunking.overlap_tokens,
        "created_at": now,
    }


def space_of(row: AnyRow) -> Space:
    """Return the space of a row with `SPACE_COLUMNS`."""
    return Space(
        id=row.space_id,
        encoder=row.encoder,
        fingerprint=row.fingerprint,
        dimension=row.dimension,
        metric=Metric(row.metric),
        chunking=Chunking(
            mode=ChunkingMode(row.chunking_mode),
            max_tokens=row.chunking_max_tokens,
            overlap_tokens=row.chunking_overlap_tokens,
        ),
    )


def _index_values(rule: IndexRule) -> dict[str, object]:
    return {
        "index_policy": rule.policy.value,
        "recall_target": rule.recall_target,
        "memory_limit_bytes": rule.memory_limit_bytes,
    }


def _retention_values(rule: RetentionRule) -> dict[str, object]:
    return {
        "retention_versions": rule.versions,
        "retention_days": rule.days,
        "retention_thinned": rule.thinned,
    }


def _collection(row: AnyRow) -> Collection:
    return Collection(
        id=row.id,
        name=row.name,
        created_at=row.created_at,
        space=space_of(row),
        index=IndexRule(
            policy=Policy(row.index_policy),
            recall_target=row.recall_target,
            memory_limit_bytes=row.memory_limit_bytes,
        ),
        retention=RetentionRule(
            versions=row.retention_versions,
            days=row.retention_days,
            thinned=row.retention_thinned,
        ),
        keep_originals=row.keep_originals,
    )


def _stats(row: AnyRow) -> CollectionStats:
    return CollectionStats(
        collection=_collection(row),
        version=row.version,
        published_at=row.published_at,
        documents=row.documents,
        vectors=row.vectors,
        segments=row.segments,
        bytes=row.bytes,
        waiting=row.waiting,
    )
