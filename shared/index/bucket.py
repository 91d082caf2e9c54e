"""The requests that object storage gets, one method each. The only importer of obstore."""

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import obstore
from obstore.exceptions import (
    AlreadyExistsError,
    BaseError,
    PermissionDeniedError,
    UnauthenticatedError,
)
from obstore.store import S3Store

from shared.errors import ConfigurationError, CorruptFile, IndexUnavailable
from shared.index.drafts import Stamp

PART_BYTES: Final = 8 * 1024 * 1024
"""What is larger goes up in parts of this size (S3 takes 10,000 of them)."""

_PARTS_AT_ONCE = 4
_CONNECT_SECONDS = 5
_SILENT_SECONDS = 60
"""A request that brings nothing for so long, a part being sent included, is given up."""
_WHOLE_SECONDS = 3600
"""Longest one request may take, a large download included."""
_RETRIES = 4
_RETRY_SECONDS = 30
_REQUEST = re.compile(r"Error performing (?P<verb>[A-Z]+) \S+ in .*? - ")
"""How the library begins to say which request failed, and how it had tried."""
_SHA256 = "sha256"
"""Metadata field that says what an object must be."""


@dataclass(frozen=True, slots=True)
class Found:
    """An object in a listing."""

    key: str
    size: int
    modified_at: float
    """Seconds since 1970 by the storage's clock."""


class NameTaken(IndexUnavailable):
    """Something has this name already."""


class Bucket:
    """Objects under one prefix of one bucket. Safe for many threads.

    Every method may raise `IndexUnavailable`: no answer, or the storage refuses. Messages
    never quote an answer's body, nor is the library's error chained: S3 repeats tokens there.
    """

    def __init__(self, store: S3Store) -> None:
        self._store = store

    def put(self, key: str, content: bytes | Path, stamp: Stamp) -> None:
        """Store an object, whole or not at all; its checksums are sent along.

        Objects above `PART_BYTES` overwrite, as the library cannot create in parts.

        Raises:
            NameTaken: something has this name, maybe from this very request: a request whose
                answer was lost is sent again.
        """
        small = stamp.size <= PART_BYTES
        try:
            with _asking(key):
                obstore.put(
                    self._store,
                    key,
                    content,
                    attributes={_SHA256: stamp.sha256},
                    mode="create" if small else "overwrite",
                    use_multipart=not small,
                    chunk_size=PART_BYTES,
                    max_concurrency=_PARTS_AT_ONCE,
                )
        except CorruptFile as error:  # an upload in parts that the storage forgot
            raise IndexUnavailable(f"{key}: object storage lost the upload.") from error

    def head(self, key: str) -> Stamp | None:
        """Return an object's size and what its writer said of its content; None if missing."""
        try:
            with _asking(key):
                answer = obstore.get(self._store, key, options={"head": True})
        except CorruptFile:
            return None
        return Stamp(answer.meta["size"], answer.attributes.get(_SHA256, ""))

    def get(self, key: str) -> Iterator[bytes]:
        """Yield the content of an object.

        Raises:
            CorruptFile: missing.
        """
        with _asking(key):
            yield from obstore.get(self._store, key).stream(min_chunk_size=1024 * 1024)

    def list(self, prefix: str) -> Iterator[Found]:
        """Yield every object whose key begins with *prefix* and a slash."""
        with _asking(prefix):
            for page in obstore.list(self._store, prefix):
                for one in page:
                    yield Found(one["path"], one["size"], one["last_modified"].timestamp())

    def delete(self, keys: Sequence[str]) -> None:
        """Remove objects; nothing happens where there is none."""
        if keys:
            with _asking(keys[0]):
                obstore.delete(self._store, keys)


def open_bucket(url: str, endpoint: str | None = None) -> Bucket:
    """Return the objects under *url*, `s3://bucket/prefix`, on Amazon's servers or *endpoint*.

    Credentials and region come from the usual variables (`AWS_ACCESS_KEY_ID` and so on) or
    from the machine's role. Nothing is asked yet.

    Raises:
        ConfigurationError: an address that cannot be.
    """
    parts = urlsplit(url)
    if parts.scheme != "s3" or not parts.hostname or parts.query or parts.username:
        raise ConfigurationError(
            "LAMINA_STORAGE_URL must be s3://BUCKET or s3://BUCKET/PREFIX, without credentials."
        )
    if endpoint and not _is_address(endpoint):
        raise ConfigurationError(
            "LAMINA_STORAGE_ENDPOINT must be https://HOST or http://HOST, without credentials."
        )
    opened = partial(
        S3Store,
        parts.netloc,
        prefix=parts.path.strip("/") or None,
        checksum_algorithm="SHA256",
        client_options={
            "allow_http": bool(endpoint and endpoint.startswith("http://")),
            "connect_timeout": timedelta(seconds=_CONNECT_SECONDS),
            "read_timeout": timedelta(seconds=_SILENT_SECONDS),
            "timeout": timedelta(seconds=_WHOLE_SECONDS),
        },
        retry_config={
            "max_retries": _RETRIES,
            "retry_timeout": timedelta(seconds=_RETRY_SECONDS),
            "backoff": {
                "init_backoff": timedelta(milliseconds=100),
                "max_backoff": timedelta(seconds=5),
                "base": 2,
            },
        },
    )
    return Bucket(opened(endpoint=endpoint) if endpoint else opened())


def _is_address(endpoint: str) -> bool:
    parts = urlsplit(endpoint)
    plain = not (parts.username or parts.password or parts.query)
    return parts.scheme in ("http", "https") and bool(parts.hostname) and plain


@contextmanager
def _asking(key: str) -> Iterator[None]:
    try:
        yield
    except FileNotFoundError as error:
        if "NoSuchBucket" in str(error):
            raise IndexUnavailable(f"{key}: there is no such bucket.") from None
        raise CorruptFile(f"{key}: missing.") from None
    except AlreadyExistsError:
        raise NameTaken(f"{key}: something has this name already.") from None
    except (PermissionDeniedError, UnauthenticatedError):
        raise IndexUnavailable(f"{key}: object storage refused the credentials.") from None
    except (BaseError, OSError) as error:
        if "NoSuchBucket" in str(error):  # a listing says it in another way
            raise IndexUnavailable(f"{key}: there is no such bucket.") from None
        raise IndexUnavailable(f"{key}: {_first_words(error)}") from None


def _first_words(error: Exception) -> str:
    """Return what happened, without the answer's body and the library's inner state."""
    text, _, _ = str(error).partition("\n")
    said, _, _ = text.partition("<")
    if asked := _REQUEST.search(said):  # the key is said already; where it lies is a setting
        said = f"object storage, {asked['verb']}: {said[asked.end() :]}"
    return said.strip(" :-")[:300] + "."
