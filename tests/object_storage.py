"""S3-compatible object storage on loopback: moto's server, in this process."""

import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import obstore
import pytest
from obstore.store import S3Store

from shared.index.bucket import Bucket, Found
from shared.index.drafts import Stamp

SECRET = "a-secret-that-no-message-may-hold"


@dataclass
class ObjectStorage:
    """One bucket of its own, and a way around the product to look into it and damage it."""

    endpoint: str
    bucket: str = field(default_factory=lambda: f"b{uuid.uuid4().hex}")

    def __post_init__(self) -> None:
        httpx.put(f"{self.endpoint}/{self.bucket}", timeout=60).raise_for_status()

    @property
    def url(self) -> str:
        return f"s3://{self.bucket}/pre/fix"

    @property
    def store(self) -> S3Store:
        return S3Store(
            self.bucket,
            prefix="pre/fix",
            endpoint=self.endpoint,
            client_options={"allow_http": True},
        )

    def stored(self) -> list[str]:
        return sorted(one["path"] for page in obstore.list(self.store) for one in page)

    def content(self, key: str) -> bytes:
        return bytes(obstore.get(self.store, key).bytes())

    def overwrite(self, key: str, content: bytes) -> None:
        obstore.put(self.store, key, content)

    def flip(self, key: str, at: int) -> None:
        """Change one bit of an object."""
        content = bytearray(self.content(key))
        content[at % len(content)] ^= 0x10
        self.overwrite(key, bytes(content))

    def empty(self) -> None:
        """Lose every object."""
        obstore.delete(self.store, self.stored())

    def fill(self, folder: str, count: int) -> list[str]:
        """Put many small objects in a folder, past HTTP; return their names."""
        from moto.s3.models import s3_backends  # noqa: PLC0415 - as below

        names = [f"{number:05}" for number in range(count)]
        backend = s3_backends["123456789012"]["aws"]
        for name in names:
            backend.put_object(self.bucket, f"pre/fix/{folder}/{name}", b"12")
        return names


@contextmanager
def serve() -> Iterator[str]:
    """Run a server on a free port; yield its address."""
    from moto.server import ThreadedMotoServer  # noqa: PLC0415 - two seconds, for few tests

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("AWS_ACCESS_KEY_ID", "somebody")
        environment.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
        environment.setenv("AWS_REGION", "us-east-1")
        yield f"http://{host}:{port}"
    server.stop()


class CountingBucket(Bucket):
    """Writes down each request, as (verb, key)."""

    def __init__(self, store: S3Store) -> None:
        super().__init__(store)
        self.requests: list[tuple[str, str]] = []

    def put(self, key: str, content: bytes | Path, stamp: Stamp) -> None:
        self.requests.append(("put", key))
        super().put(key, content, stamp)

    def head(self, key: str) -> Stamp | None:
        self.requests.append(("head", key))
        return super().head(key)

    def get(self, key: str) -> Iterator[bytes]:
        self.requests.append(("get", key))
        yield from super().get(key)

    def list(self, prefix: str) -> Iterator[Found]:
        self.requests.append(("list", prefix))
        yield from super().list(prefix)

    def delete(self, keys: Sequence[str]) -> None:
        self.requests.extend(("delete", key) for key in keys)
        super().delete(keys)

    def of(self, verb: str) -> Sequence[str]:
        """The keys of one kind of request."""
        return [key for one, key in self.requests if one == verb]
