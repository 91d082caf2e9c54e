"""Open the index store that the settings ask for."""

from shared.errors import ConfigurationError
from shared.index.files import Files
from shared.index.local import LocalFiles
from shared.index.store import FolderIndexStore
from shared.settings import Settings


def open_store(settings: Settings) -> FolderIndexStore:
    """Return the index store over a folder or object storage. Nothing is read yet.

    Raises:
        ConfigurationError: an address that cannot be, or obstore is not installed.
    """
    return FolderIndexStore(settings.data_dir / "index", open_files(settings), merge=settings.merge)


def open_files(settings: Settings) -> Files:
    """Return where the files of the index lie: the folder `index`, or object storage.

    Raises:
        ConfigurationError: an address that cannot be, or obstore is not installed.
    """
    storage, stamps = settings.storage, settings.data_dir / "stamps"
    if storage.url is None:
        return LocalFiles(
            settings.data_dir / "index", stamps=stamps, missing_seconds=storage.missing_seconds
        )
    try:  # an extra: most installations have no use for it
        from shared.index.bucket import open_bucket  # noqa: PLC0415
        from shared.index.objects import ObjectFiles  # noqa: PLC0415
    except ImportError as error:
        raise ConfigurationError(
            "LAMINA_STORAGE_URL needs the package obstore: pip install 'lamina[s3]'."
        ) from error
    return ObjectFiles(
        open_bucket(storage.url, storage.endpoint),
        settings.data_dir / "cache",
        cache_bytes=storage.cache_bytes,
        stamps=stamps,
    )
