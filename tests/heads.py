"""Where a kept version's manifest is, from what the catalog said of the version itself."""

from shared.domain import Head, KeptVersion


def head_of_kept(collection_id: int, version: KeptVersion) -> Head:
    """Return where *version* has its manifest.

    Not by asking `Reading.version`: the retention rule may let the version go meanwhile.
    """
    return Head(
        collection_id=collection_id,
        version=version.version,
        manifest_file=version.manifest_file,
        manifest_sha256=version.manifest_sha256,
        published_at=version.published_at,
    )
