"""Worlds that export, import and are backed up."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np

from shared.catalog import Database, SqlDump
from shared.domain import ArchivedDocument, Ids, Vectors
from shared.indexing.publishing import read_manifest
from shared.transfer.backups import Installation
from shared.transfer.delivering import Dock
from shared.transfer.exporting import Exported, export_collection
from shared.transfer.importing import Imported, import_archive
from shared.versions.shelf import Shelf
from tests.fakes.encoder import FakeEncoders
from tests.worlds import LIMITS, World


def silent(_done: int, _total: int) -> None:
    """A step that nobody watches."""


def shelf_of(world: World) -> Shelf:
    return Shelf(
        collections=world.collections,
        publications=world.publications,
        reading=world.reading,
        records=world.records,
        versions=world.versions,
        chores=world.chores,
        store=world.store,
        files=world.store,
        worker="host:9",
        lease_seconds=30.0,
    )


def dock_of(world: World, *, lease_seconds: float = 2.0) -> Dock:
    return Dock(
        inbox=world.inbox,
        claims=world.claims,
        publications=world.publications,
        records=world.records,
        store=world.store,
        worker="host:8",
        lease_seconds=lease_seconds,
        max_crashes=3,
        clock=world.clock_watch(),
    )


def installation_of(world: World, database: Database) -> Installation:
    return Installation(
        dump=SqlDump(database),
        versions=world.versions,
        roster=world.roster,
        store=world.store,
        files=world.store,
        encoders=FakeEncoders(world.encoder),
        holder="host:7/backup",
        lease_seconds=30.0,
        lamina="0.1.0",
    )


def export(world: World, path: Path, ref: str | None = None) -> Exported:
    return export_collection(shelf_of(world), "c", path, ref=ref, lamina="0.1.0", step=silent)


def import_(
    world: World,
    path: Path,
    name: str | None = "copy",
    step: Callable[[int, int], None] = silent,
) -> Imported:
    return import_archive(
        dock_of(world),
        world.collections,
        FakeEncoders(world.encoder),
        path,
        name=name,
        limits=LIMITS,
        step=step,
    )


def contents(
    world: World, name: str, version: int | None = None
) -> list[tuple[ArchivedDocument, Vectors]]:
    """Return a collection's documents with their vectors, without the vectors' ids."""
    collection = world.collections.get(name)
    heads = world.reading.heads()
    number = heads[collection.id].version if version is None else version
    documents = world.versions.documents_at(collection.id, number, after=None, limit=10_000)
    head = world.reading.version(collection.id, number)
    manifest = read_manifest(world.store, head, collection)
    found = []
    for document in documents:
        ids = [chunk.vector_id for chunk in document.chunks]
        plain = tuple(replace(chunk, vector_id=0) for chunk in document.chunks)
        vectors = world.store.vectors(manifest, _ids(ids))
        found.append((replace(document, chunks=plain), vectors))
    return found


def _ids(ids: list[int]) -> Ids:
    return np.array(ids, dtype=np.int64)
