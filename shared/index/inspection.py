"""The files of the index as such: what is there, what a version needs, and what is damaged."""

import hashlib
from collections.abc import Callable
from functools import partial

from shared.domain import Damage, Manifest, Segment, StoredEntry
from shared.errors import CorruptFile
from shared.index import cards, deletes, formats, manifests, segments
from shared.index.files import DRAFT, Entry, Files
from shared.index.segments import OpenSegment
from shared.ports import Step


def entries(files: Files, collection_id: int) -> list[StoredEntry]:
    """Return every segment folder, delete set and manifest there is, drafts too."""
    kinds = cards.folder_of, deletes.folder_of, manifests.folder_of
    return [
        StoredEntry(
            key=entry.key,
            bytes=entry.bytes,
            modified_at=entry.modified_at,
            attempt_id=_attempt_of(entry),
            draft=entry.draft,
        )
        for kind in kinds
        for entry in files.list(kind(collection_id))
    ]


def needed(manifest: Manifest) -> frozenset[str]:
    """Return the keys of the entries that *manifest* needs, its own excepted."""
    of = manifest.collection_id
    return frozenset(key for segment in manifest.segments for key in _keys(of, segment))


def check(files: Files, manifest: Manifest, step: Step, known: set[str]) -> list[Damage]:
    """Read every file that *manifest* needs past any cache; return what is wrong with them.

    Entries in *known* are passed over, those read are added. *step* hears of vectors.

    Raises:
        IndexUnavailable: a file cannot be read just now.
    """
    found: list[Damage] = []
    done = 0
    for segment in manifest.segments:
        step(done, manifest.rows)
        folder = f"{cards.folder_of(manifest.collection_id)}/{segment.id}"
        if folder not in known:
            found += _check_segment(files, manifest, segment)
            known.add(folder)
        key = deletes.key_of(manifest.collection_id, segment)
        if segment.deletes and key not in known:
            found += _damage(manifest, segment, key, partial(_check_deletes, files, key, segment))
            known.add(key)
        done += segment.rows
    step(done, manifest.rows)
    return found


def _keys(collection_id: int, segment: Segment) -> list[str]:
    folder = f"{cards.folder_of(collection_id)}/{segment.id}"
    return [folder, *([deletes.key_of(collection_id, segment)] if segment.deletes else [])]


def _attempt_of(entry: Entry) -> str | None:
    """Return the attempt that wrote *entry*; None if its name is none of ours."""
    name = entry.name.removesuffix(DRAFT)
    if entry.key.split("/")[-2] == "manifests":
        return manifests.attempt_of(name)
    attempt = name.removesuffix(deletes.SUFFIX).rpartition("-")[0]
    return attempt if formats.is_attempt(attempt) else None


def _check_segment(files: Files, manifest: Manifest, segment: Segment) -> list[Damage]:
    folder = f"{cards.folder_of(manifest.collection_id)}/{segment.id}"
    card = f"{folder}/{cards.CARD}"

    def examine_card() -> None:
        _check_raw(files, card, segment.sha256)
        opened = OpenSegment(files, manifest.collection_id, segment)
        if segment.space_id == manifest.space_id:
            segments.check_space(opened, manifest)

    damaged = _damage(manifest, segment, card, examine_card)
    if damaged:  # it holds the checksums of the others
        return damaged
    opened = OpenSegment(files, manifest.collection_id, segment)
    for examine in (opened.verify, opened.examine):  # content, once the bytes are right
        for name in opened.card.files if not damaged else ():
            damaged = damaged + _damage(
                manifest, segment, f"{folder}/{name}", partial(examine, name)
            )
    return damaged


def _check_raw(files: Files, key: str, sha256: str) -> None:
    found = hashlib.sha256(files.raw(key)).hexdigest()
    if found != sha256:
        raise CorruptFile(f"{key}: its sha256 is {found}, not {sha256}.")


def _check_deletes(files: Files, key: str, segment: Segment) -> None:
    if segment.deletes:
        _check_raw(files, key, segment.deletes.sha256)
        deletes.read(files, key, segment)


def _damage(
    manifest: Manifest, segment: Segment, key: str, examine: Callable[[], None]
) -> list[Damage]:
    try:
        examine()
    except CorruptFile as error:
        reason = error.detail.removeprefix(f"{key}: ")
        return [
            Damage(
                collection_id=manifest.collection_id,
                key=key,
                segment_id=segment.id,
                reason=reason,
            )
        ]
    return []
