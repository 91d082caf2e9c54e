"""Kept versions: their names, their leases, how they differ, and their end."""

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence

from sqlalchemy import (
    CompoundSelect,
    Connection,
    Select,
    and_,
    delete,
    literal,
    or_,
    select,
    update,
)

from shared.catalog.collections.collections import live_space
from shared.catalog.content.contents import (
    read_documents,
    read_live_vectors,
    read_passages,
    read_segments,
    read_vectors_of,
)
from shared.catalog.engine.clock import db_now, read_clock
from shared.catalog.engine.database import Database
from shared.catalog.engine.dialect import AnyRow, insert_new
from shared.catalog.publishing.comparing import compare
from shared.catalog.publishing.forgetting import forget
from shared.catalog.publishing.lifetimes import hold_live, pages
from shared.catalog.tables import (
    ACTIVE,
    EXPIRED,
    KEPT_STATES,
    LIVE,
    AttemptRow,
    ChoreRow,
    ClaimRow,
    HeadRow,
    LeaseRow,
    MapRow,
    TagRow,
    VersionRow,
)
from shared.domain import (
    ArchivedDocument,
    AttemptStanding,
    Ids,
    KeptVersion,
    VersionDiff,
    VersionKind,
)
from shared.errors import InvalidRequest, TagNotFound

_NAME = re.compile(r"[a-zA-Z][a-zA-Z0-9._-]{0,99}", re.ASCII)
_YOUNG_SECONDS = 3600
"""How long an attempt of no claim and no chore is taken to be working."""


class SqlVersions:
    """The port `Versions` in SQL.

    Whoever needs a version to stay locks its row for reading; whoever lets it go locks it for
    writing before it looks at tags and leases. So of the two at once, one sees the other.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def tag(self, collection_id: int, version: int, name: str) -> None:
        """Name a version; a name of this collection that is taken moves to it.

        Raises:
            VersionNotFound, VersionExpired
            InvalidRequest: the name is not 1 to 100 of letters, digits, `.`, `_`, `-`, beginning
                with a letter.
        """
        if not _NAME.fullmatch(name):
            raise InvalidRequest(
                f"{name!r} cannot be a tag: use 1 to 100 letters, digits, '.', '_' and '-', "
                "beginning with a letter."
            )

        def work(tx: Connection) -> None:
            hold_live(tx, collection_id, version)
            new = insert_new(tx.dialect.name, TagRow).values(
                collection_id=collection_id, name=name, version=version, created_at=db_now()
            )
            tx.execute(
                new.on_conflict_do_update(
                    index_elements=["collection_id", "name"],
                    set_={"version": version, "created_at": db_now()},
                )
            )

        self._database.run(work)

    def untag(self, collection_id: int, name: str) -> None:
        """Take a name away; `TagNotFound` if the collection has no such tag."""
        gone = delete(TagRow).where(TagRow.collection_id == collection_id, TagRow.name == name)
        if not self._database.run(lambda tx: tx.execute(gone).rowcount):
            raise TagNotFound(f"There is no tag {name!r}.")

    def tagged(self, collection_id: int, name: str) -> int:
        """Return the version that a tag names; `TagNotFound` if there is no such tag."""
        wanted = select(TagRow.version).where(
            TagRow.collection_id == collection_id, TagRow.name == name
        )
        with self._database.glance() as tx:
            version = tx.scalar(wanted)
        if version is None:
            raise TagNotFound(f"There is no tag {name!r}.")
        return version

    def hold(self, collection_id: int, version: int, holder: str, seconds: float) -> None:
        """Lease a version for *seconds* by the catalog's clock. Again renews it.

        Raises:
            VersionNotFound: never published.
            VersionExpired: it has expired already.
        """

        def work(tx: Connection) -> None:
            hold_live(tx, collection_id, version)
            until = read_clock(tx) + seconds
            new = insert_new(tx.dialect.name, LeaseRow).values(
                collection_id=collection_id, version=version, holder=holder, until=until
            )
            tx.execute(
                new.on_conflict_do_update(
                    index_elements=["collection_id", "version", "holder"], set_={"until": until}
                )
            )

        self._database.run(work)

    def release(self, collection_id: int, version: int, holder: str) -> None:
        """End a lease early; nothing happens if there is none."""
        gone = delete(LeaseRow).where(
            LeaseRow.collection_id == collection_id,
            LeaseRow.version == version,
            LeaseRow.holder == holder,
        )
        self._database.run(lambda tx: tx.execute(gone).rowcount)

    def kept(self, collection_id: int) -> Sequence[KeptVersion]:
        """Return every version but 0 whose files may still be there, oldest first."""
        there = (
            select(VersionRow.__table__)
            .where(
                VersionRow.collection_id == collection_id,
                VersionRow.version > 0,
                VersionRow.state.in_(KEPT_STATES),
            )
            .order_by(VersionRow.version)
        )
        with self._database.read() as tx:
            rows = tx.execute(there).all()
            tags = read_tags(tx, collection_id)
            leased = set(tx.scalars(_leased(collection_id)))
            live = live_space(tx, collection_id).id
        return [_kept(row, tags.get(row.version, ()), row.version in leased, live) for row in rows]

    def expire(self, collection_id: int, versions: Sequence[int]) -> Sequence[int]:
        """Let versions go; return those that went, rising.

        Version 0, which has no files, the head, and tagged or leased versions stay whatever was
        asked.
        """

        def work(tx: Connection) -> list[int]:
            locked = _lock(tx, collection_id, versions)
            # Read after the locks: what was tagged or leased until then is seen here, and what
            # wants to be later is refused.
            stay = {0, *tx.scalars(_staying(collection_id))}
            going = [one for one in locked if one not in stay]
            for page in pages(going):
                tx.execute(
                    update(VersionRow)
                    .where(VersionRow.collection_id == collection_id, VersionRow.version.in_(page))
                    .values(state="expired", expired_at=db_now())
                )
                mine = MapRow.collection_id == collection_id
                tx.execute(delete(MapRow).where(mine, MapRow.version.in_(page)))
            lapsed = LeaseRow.until < db_now()
            tx.execute(delete(LeaseRow).where(LeaseRow.collection_id == collection_id, lapsed))
            return going

        return self._database.run(work) if versions else []

    def bury(self, collection_id: int, versions: Sequence[int]) -> None:
        """Say that the files of these expired versions are removed."""

        def work(tx: Connection) -> None:
            for page in pages(versions):
                tx.execute(
                    update(VersionRow)
                    .where(
                        VersionRow.collection_id == collection_id,
                        VersionRow.version.in_(page),
                        VersionRow.state == EXPIRED,
                    )
                    .values(state="buried")
                )

        self._database.run(work)

    def forget(self, collection_id: int, *, limit: int) -> int:
        """Erase the text, metadata and chunks of at most *limit* revisions no kept version holds.

        Returns how many. Their state, errors and jobs stay.
        """
        return self._database.run(lambda tx: forget(tx, collection_id, limit))

    def diff(
        self, collection_id: int, before: int, after: int, *, limit: int, cursor: str | None
    ) -> VersionDiff:
        """Compare the documents of two versions, in either order; see `comparing.compare`.

        Raises:
            VersionNotFound, VersionExpired
        """
        with self._database.read() as tx:
            return compare(tx, collection_id, (before, after), limit=limit, cursor=cursor)

    def live_vectors(self, collection_id: int, version: int) -> Ids:
        """Return the vector ids that the catalog holds live at a version, `(vectors,)`, rising."""
        with self._database.read() as tx:
            return read_live_vectors(tx, collection_id, version)

    def segments_at(self, collection_id: int, version: int) -> Mapping[str, str]:
        """Return id and sha256 of the segments that a version lists, for a lost manifest."""
        with self._database.read() as tx:
            return read_segments(tx, collection_id, version)

    def vectors_of(self, collection_id: int, external_id: str) -> Ids:
        """Return every vector id of a document, of all its revisions, rising.

        Of forgotten ones with some that belong to nothing any more; see `read_vectors_of`.

        Raises:
            DocumentNotFound: no document of the collection has this id.
        """
        with self._database.read() as tx:
            return read_vectors_of(tx, collection_id, external_id)

    def passages_of(self, vector_ids: Sequence[int]) -> Mapping[int, tuple[str, str, int, int]]:
        """Return title, text, start and end of the passages behind vectors, to encode anew.

        Unknown vectors, and those whose text was forgotten, are missing.
        """
        with self._database.read() as tx:
            return read_passages(tx, vector_ids)

    def documents_at(
        self, collection_id: int, version: int, *, after: str | None, limit: int
    ) -> Sequence[ArchivedDocument]:
        """Return documents as a version holds them, by id, those with ids above *after*."""
        with self._database.read() as tx:
            return read_documents(tx, collection_id, version, after=after, limit=limit)

    def attempts(self, attempt_ids: Sequence[str]) -> Mapping[str, AttemptStanding]:
        """Return what became of these attempts; unknown ones are missing.

        An active attempt of a claim is working while the claim is active. One without is working
        while its worker holds the lease of a chore in its collection, and for an hour anyway.
        """
        found: dict[str, AttemptStanding] = {}
        with self._database.read() as tx:
            for page in pages(attempt_ids):
                rows = tx.execute(_ATTEMPTS.where(AttemptRow.id.in_(page)))
                found |= {row.id: _standing(row) for row in rows}
        return found

    def revoke(self, attempt_id: str) -> bool:
        """Fence off an active attempt; whether it was (false: it has ended meanwhile)."""
        fence = (
            update(AttemptRow)
            .where(AttemptRow.id == attempt_id, AttemptRow.state == ACTIVE)
            .values(state="revoked", ended_at=db_now())
        )
        return bool(self._database.run(lambda tx: tx.execute(fence).rowcount))


def read_tags(
    tx: Connection, collection_id: int, versions: Sequence[int] | None = None
) -> dict[int, tuple[str, ...]]:
    """Return the tags of versions, all or these, by version; names in order."""
    wanted = select(TagRow.version, TagRow.name).where(TagRow.collection_id == collection_id)
    if versions is not None:
        wanted = wanted.where(TagRow.version.in_(versions))
    tags: defaultdict[int, list[str]] = defaultdict(list)
    for version, name in tx.execute(wanted):
        tags[version].append(name)
    return {version: tuple(sorted(names)) for version, names in tags.items()}


def _leased(collection_id: int) -> Select[int]:
    return select(LeaseRow.version).where(
        LeaseRow.collection_id == collection_id, LeaseRow.until >= db_now()
    )


def _staying(collection_id: int) -> CompoundSelect[int]:
    head = select(HeadRow.version).where(HeadRow.collection_id == collection_id)
    tagged = select(TagRow.version).where(TagRow.collection_id == collection_id)
    return head.union_all(tagged, _leased(collection_id))


def _lock(tx: Connection, collection_id: int, versions: Sequence[int]) -> list[int]:
    """Lock those of *versions* that are live, always in one order; return them rising."""
    locked: list[int] = []
    for page in pages(sorted(set(versions))):
        live = (
            select(VersionRow.version)
            .where(
                VersionRow.collection_id == collection_id,
                VersionRow.version.in_(page),
                VersionRow.state == LIVE,
            )
            .order_by(VersionRow.version)
            .with_for_update()
        )
        locked += tx.scalars(live)
    return locked


def _kept(
    row: AnyRow,
    tags: tuple[str, ...],
    leased: bool,  # noqa: FBT001
    live_space_id: int,
) -> KeptVersion:
    return KeptVersion(
        version=row.version,
        kind=VersionKind(row.kind),
        published_at=row.published_at,
        manifest_file=row.manifest_file,
        manifest_sha256=row.manifest_sha256,
        tags=tags,
        leased=leased,
        expired_at=row.expired_at,
        space_id=row.space_id or live_space_id,
    )


_on_chore = (
    select(ChoreRow.id)
    .where(
        ChoreRow.collection_id == AttemptRow.collection_id,
        ChoreRow.holder == AttemptRow.worker,
        ChoreRow.state == ACTIVE,
        ChoreRow.lease_until >= db_now(),
    )
    .correlate(AttemptRow)
    .exists()
)
_ATTEMPTS = select(
    AttemptRow.id,
    AttemptRow.state,
    and_(
        AttemptRow.state == ACTIVE,
        or_(
            ClaimRow.state == ACTIVE,
            and_(
                AttemptRow.claim_id.is_(None),
                or_(_on_chore, AttemptRow.started_at > db_now() - literal(_YOUNG_SECONDS)),
            ),
        ),
    ).label("working"),
).outerjoin(ClaimRow, ClaimRow.id == AttemptRow.claim_id)


def _standing(row: AnyRow) -> AttemptStanding:
    return AttemptStanding(id=row.id, state=row.state, working=bool(row.working))
