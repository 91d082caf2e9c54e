"""What became of every acknowledged document, read from the catalog and from the files."""

from collections import Counter
from collections.abc import Collection as Some
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from sqlalchemy import text

from shared.domain import VersionKind
from tests.faults.crowd import Acknowledged
from tests.faults.oracle import View, check_kept_files, check_one_head, look
from tests.keeping import database_of, live_versions
from tests.worlds import World

Texts: TypeAlias = dict[str, str]
"""Text by document."""


@dataclass(frozen=True, slots=True)
class _Revision:
    """A row of the queue."""

    id: int
    name: str
    job: str
    kind: str
    state: str
    version: int | None


def check_nothing_lost(world: World, acknowledged: Sequence[Acknowledged]) -> None:
    """Assert that each acknowledged document is live, once, or was replaced, and versions whole.

    Nobody writes any more, nothing waits, and each version that a restore made is tagged, so
    that the last of them can be read.
    """
    check_one_head(world)
    check_kept_files(world)
    damages = world.chores.damages(world.collection.id)
    assert not damages, f"[false-alarm] {damages}"
    restored = _check_versions(world)
    views = {view.kept.version: view for view in look(world, live_versions(world))}
    texts = {number: _texts(world, view) for number, view in views.items()}
    _check_chain(world, views, texts)
    revisions = _revisions(world)
    _check_accepted(acknowledged, revisions)
    _check_states(revisions, restored)
    _check_head(world, acknowledged, revisions, texts, max(restored, default=0))


def _check_versions(world: World) -> Some[int]:
    """Assert that no number is missing; return the versions that restores made."""
    reports = world.records.versions("c", limit=100_000)
    numbers = sorted(one.version for one in reports)
    assert numbers == list(range(len(numbers))), f"[no-gaps] versions {numbers}"
    return {one.version for one in reports if one.kind is VersionKind.RESTORE}


def _texts(world: World, view: View) -> Texts:
    """Return the text of each document at a version, which must be live once."""
    number = view.kept.version
    mirrored = world.versions.live_vectors(world.collection.id, number)
    odd = np.setxor1d(mirrored, view.ids)
    assert not odd.size, f"[mirror] version {number}: files and catalog differ in {odd[:5]}"
    records = world.reading.passages([int(one) for one in view.ids])
    assert len(records) == len(view.ids), f"[texts] version {number}: texts are missing"
    passages = Counter((one.external_id, one.start) for one in records.values())
    twice = sorted({name for (name, _), count in passages.items() if count > 1})
    assert not twice, f"[once] version {number}: {twice} are live twice"
    revisions = {(one.external_id, one.revision_id) for one in records.values()}
    several = [name for name, count in Counter(name for name, _ in revisions).items() if count > 1]
    assert not several, f"[once] version {number}: {several} have two revisions live"
    documents = world.versions.documents_at(world.collection.id, number, after=None, limit=100_000)
    found = {name for name, _ in revisions}
    assert found == {one.id for one in documents}, f"[texts] version {number}: other documents"
    return {one.id: one.text for one in documents}


def _check_chain(world: World, views: Mapping[int, View], texts: Mapping[int, Texts]) -> None:
    """Assert that each version was made of the one before it, and tidying changed no content."""
    for number, view in views.items():
        before = views.get(number - 1)
        if before is None:
            continue
        follows = view.manifest.parent_sha256 == before.kept.manifest_sha256
        assert follows, f"[no-lost-commit] version {number} does not follow {number - 1}"
        if not view.manifest.kind.has_content:
            same = texts[number] == texts[number - 1]
            assert same, f"[live-set] version {number}, a {view.manifest.kind}, changed content"
    for report in world.records.versions("c", limit=100_000):
        source = texts.get(report.restored or 0)
        if report.version in texts and source is not None:
            same = texts[report.version] == source
            assert same, f"[restored] version {report.version} is not {report.restored}"


def _revisions(world: World) -> list[_Revision]:
    with database_of(world).read() as tx:
        rows = tx.execute(
            text(
                "SELECT r.id, d.external_id, r.job_id, r.kind, r.state, r.version FROM revisions r"
                " JOIN documents d ON d.id = r.document_id ORDER BY r.id"
            )
        )
        return [_Revision(*row) for row in rows]


def _check_accepted(acknowledged: Sequence[Acknowledged], revisions: Sequence[_Revision]) -> None:
    """Assert that the catalog has all that it said it has."""
    there = {(one.job, one.name) for one in revisions}
    lost = [one for one in acknowledged if (one.job, one.name) not in there]
    assert not lost, f"[no-lost-commit] {len(lost)} acknowledged documents are gone: {lost[:3]}"


def _check_states(revisions: Sequence[_Revision], restored: Some[int]) -> None:
    """Assert that every revision has come to an end, and to the one that others explain."""
    newest = {
        one.name: one.id for one in revisions if one.state in ("indexed", "unchanged", "withdrawn")
    }
    for one in revisions:
        match one.state:
            case "indexed":
                explained = one.version is not None
            case "unchanged":
                explained = one.kind == "delete"  # no text is sent twice
            case "superseded":
                explained = newest.get(one.name, 0) > one.id
            case "withdrawn":
                explained = any(number > (one.version or 0) for number in restored)
            case _:
                explained = False
        assert explained, f"[no-lost-commit] nothing explains {one}"


def _check_head(
    world: World,
    acknowledged: Sequence[Acknowledged],
    revisions: Sequence[_Revision],
    texts: Mapping[int, Texts],
    restored: int,
) -> None:
    """Assert that the head says, of each document, what was said last since the last restore."""
    said = {(one.job, one.name): one.text for one in acknowledged}
    wanted = dict(texts[restored]) if restored else {}
    for one in revisions:
        published = one.state == "indexed" and one.version is not None and one.version > restored
        if published and (one.job, one.name) in said:
            told = said[one.job, one.name]
            if told is None:
                wanted.pop(one.name, None)
            else:
                wanted[one.name] = told
    found = texts[world.head().version]
    wrong = {
        name: (found.get(name), wanted.get(name))
        for name in found.keys() | wanted.keys()
        if found.get(name) != wanted.get(name)
    }
    assert not wrong, f"[no-lost-commit] at the head (found, last said): {wrong}"
