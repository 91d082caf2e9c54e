"""Checks, repairs and purges in a small world: what they need, and what must stay the same."""

import atexit
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TypeAlias

import pytest

from shared.domain import CheckReport, KeptVersion, Manifest, RepairReport
from shared.index import FolderIndexStore
from shared.indexing.publishing import read_manifest
from shared.ingest import deletion, submit
from shared.trust.checking import Checker, check
from shared.trust.purging import Purger
from shared.trust.repairing import Repairer, repair
from shared.upkeep.chores import Shift
from shared.upkeep.merging import merge_next
from tests.fakes.encoder import FakeEncoders, HashEncoder
from tests.keeping import head_of, keeper_of, live_versions
from tests.worlds import World

QUERIES = ("text 3", "changed", "something else altogether")

Answer: TypeAlias = list[tuple[str, str, float]]
"""Document, passage and score of each hit, best first."""


def shift_of(world: World, *, holder: str = "host:4", lease_seconds: float = 30.0) -> Shift:
    return Shift(
        chores=world.chores, versions=world.versions, holder=holder, lease_seconds=lease_seconds
    )


def checker_of(
    world: World,
    *,
    store: FolderIndexStore | None = None,
    encoder: HashEncoder | None = None,
    scrub_days: float = 7.0,
) -> Checker:
    store = store or world.fresh_store()
    return Checker(
        shift=shift_of(world),
        collections=world.collections,
        reading=world.reading,
        records=world.records,
        roster=world.roster,
        store=store,
        files=store,
        encoders=FakeEncoders(encoder or world.encoder),
        scrub_days=scrub_days,
    )


def repairer_of(
    world: World,
    *,
    store: FolderIndexStore | None = None,
    encoder: HashEncoder | None = None,
    shift: Shift | None = None,
) -> Repairer:
    store = store or world.fresh_store()
    return Repairer(
        collections=world.collections,
        shift=shift or shift_of(world),
        publications=world.publications,
        store=store,
        files=store,
        encoders=FakeEncoders(encoder or world.encoder),
    )


def purger_of(
    world: World, *, store: FolderIndexStore | None = None, shift: Shift | None = None
) -> Purger:
    return Purger(
        shift=shift or shift_of(world),
        collections=world.collections,
        publications=world.publications,
        store=store or world.fresh_store(),
        keeper=keeper_of(world, holder="host:4"),
    )


def examine(world: World, *, sample: int = 100) -> CheckReport:
    """Check the collection `c`."""
    return check(checker_of(world), world.collections.get("c"), sample=sample)


def mend(world: World) -> RepairReport:
    """Check the collection `c` and repair what was found, as `lamina fsck --repair` does."""
    damages = examine(world, sample=0).damages
    return repair(repairer_of(world), world.collections.get("c"), damages)


def put(world: World, *numbers: int, text: str = "text") -> None:
    """Publish one version with these documents."""
    world.add(*({"id": f"d{number}", "text": f"{text} {number}"} for number in numbers))
    world.index_all()


def live_a_little(world: World) -> None:
    """Make 12 versions: additions, an upsert, deletes, a merge and what came after it."""
    for number in range(7):
        put(world, number, number + 100)
    put(world, 2, text="changed")
    submit(world.inbox, world.bell, deletion("d105", collection="c", source="api"))
    world.index_all()
    assert merge_next(world.upkeep())
    put(world, 3, text="changed")
    put(world, 50, 51)


@contextmanager
def lived_world(folder: Path) -> Iterator[World]:
    """Open, in *folder*, a world that has lived a little: a copy of one that all tests share."""
    shutil.copytree(_lived(), folder, dirs_exist_ok=True)
    with World.open(folder) as opened:
        yield opened


@cache
def _lived() -> Path:
    folder = Path(tempfile.mkdtemp(prefix="lamina-lived-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    with World.open(folder) as opened:
        live_a_little(opened)
    return folder


@dataclass(frozen=True, slots=True)
class Seen:
    """What a reader that trusts nothing sees of one version."""

    ids: tuple[int, ...]
    texts: tuple[tuple[int, str, str], ...]
    answers: Mapping[str, Answer]


def see(world: World) -> dict[int, Seen]:
    """Read every kept version with nothing open yet: every checksum is verified."""
    store = world.fresh_store()
    return {one.version: _see(world, store, one) for one in live_versions(world)}


def _see(world: World, store: FolderIndexStore, version: KeptVersion) -> Seen:
    snapshot = store.open(store.read_manifest(head_of(world, version)))
    ids = [int(one) for one in snapshot.ids()]
    records = world.reading.passages(ids)
    vectors, _ = world.encoder.encode_queries(QUERIES)
    scores, found = snapshot.search(vectors, 100)
    return Seen(
        ids=tuple(ids),
        texts=tuple((one, records[one].external_id, records[one].passage) for one in ids),
        answers={
            query: [
                (records[int(one)].external_id, records[int(one)].passage, float(score))
                for score, one in zip(scores[row], found[row], strict=True)
            ]
            for row, query in enumerate(QUERIES)
        },
    )


def assert_same(before: Mapping[int, Seen], after: Mapping[int, Seen]) -> None:
    """Assert that every version says what it said, with scores equal within half floats."""
    assert before.keys() == after.keys()
    for version, old in before.items():
        new = after[version]
        assert (new.ids, new.texts) == (old.ids, old.texts), f"version {version}"
        for query, hits in old.answers.items():
            scores = [score for *_, score in new.answers[query]]
            assert scores == pytest.approx([score for *_, score in hits], abs=1e-3)
            assert sorted(hit[:2] for hit in new.answers[query]) == sorted(
                hit[:2] for hit in hits
            ), f"version {version}, {query!r}"


def without(seen: Mapping[int, Seen], document: str) -> dict[int, Seen]:
    """Return what would be seen if a document had never been there."""
    return {
        version: Seen(
            ids=tuple(one for one, name, _ in old.texts if name != document),
            texts=tuple(one for one in old.texts if one[1] != document),
            answers={
                query: [hit for hit in hits if hit[0] != document]
                for query, hits in old.answers.items()
            },
        )
        for version, old in seen.items()
    }


def flip(path: Path) -> None:
    """Change one bit in the middle."""
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def truncate(path: Path) -> None:
    """Cut the last byte off."""
    path.write_bytes(path.read_bytes()[:-1])


def remove(path: Path) -> None:
    """Remove it."""
    path.unlink()


def replace_by_another(path: Path) -> None:
    """Put another valid file of its kind in its place."""
    others = path.parent.parent.glob(f"*/{path.name}") if path.parent.name != "deletes" else []
    same_kind = [*others, *path.parent.glob(f"*{path.suffix}")]
    content = next(
        one.read_bytes()
        for one in sorted(same_kind)
        if one != path and one.name.endswith(path.suffix) and one.read_bytes() != path.read_bytes()
    )
    path.write_bytes(content)


HARMS: Mapping[str, Callable[[Path], None]] = {
    "flipped": flip,
    "truncated": truncate,
    "missing": remove,
    "replaced": replace_by_another,
}


def manifest_path(world: World, version: int) -> Path:
    """Return where the manifest of a version lies."""
    (kept,) = [one for one in live_versions(world) if one.version == version]
    return world.folder / "index" / world.store.manifest_key(head_of(world, kept))


def manifest_of(world: World, version: int) -> Manifest:
    """Return the manifest of a kept version."""
    head = world.reading.version(world.collection.id, version)
    return read_manifest(world.store, head, world.collection)


def segment_folder(world: World, segment_id: str) -> Path:
    """Return the folder of a segment."""
    return world.folder / "index" / str(world.collection.id) / "segments" / segment_id
