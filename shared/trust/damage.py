"""Put damaged files in quarantine, as soon as somebody stumbles over them."""

from collections.abc import Sequence
from dataclasses import replace

import structlog

from shared.domain import Collection, Damage, Head, Manifest
from shared.errors import CorruptFile
from shared.indexing.publishing import read_manifest
from shared.ports import Chores, IndexFiles, IndexStore

log = structlog.get_logger(__name__)


def quarantine(
    chores: Chores, store: IndexStore, files: IndexFiles, collection: Collection, head: Head
) -> Sequence[Damage]:
    """Find out which files of a version are damaged, record them, and return them.

    Empty if none is: what could not be read a moment ago can be read now.

    Raises:
        Retryable: the catalog or the index cannot be read now.
    """
    try:
        manifest = read_manifest(store, head, collection)
    except CorruptFile as error:
        damages: Sequence[Damage] = [_of_manifest(files, head, error)]
    else:
        damages = _of_segments(store, files, manifest)
    for damage in damages:
        log.error("damaged_file", key=damage.key, version=head.version, reason=damage.reason)
    if damages:
        chores.report(damages)
    return damages


def _of_manifest(files: IndexFiles, head: Head, error: CorruptFile) -> Damage:
    key = files.manifest_key(head)
    return Damage(
        collection_id=head.collection_id,
        key=key,
        segment_id=None,
        reason=error.detail.removeprefix(f"{key}: "),
    )


def _of_segments(store: IndexStore, files: IndexFiles, manifest: Manifest) -> list[Damage]:
    """Read those segments again, file by file, that cannot be opened."""
    damages: list[Damage] = []
    known: set[str] = set()
    for segment in manifest.segments:
        alone = replace(manifest, space_id=segment.space_id, segments=(segment,))
        try:
            store.open(alone)
        except CorruptFile:
            damages.extend(files.check(alone, lambda _done, _total: None, known=known))
    return damages
