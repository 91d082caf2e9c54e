"""The API as a program uses it: plain HTTP and JSON."""

import time
from collections.abc import Mapping
from types import TracebackType
from typing import Any, Self

import httpx

PATIENCE_SECONDS = 90.0  # for what ends by itself; the machines are slow at times


class Client:
    """A client of one Lamina. Answers are JSON objects; an error answer fails the test."""

    def __init__(self, url: str) -> None:
        self.http = httpx.Client(base_url=f"{url}/api/v1", timeout=60, trust_env=False)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.http.close()

    def get(self, path: str, **query: str | int) -> dict[str, Any]:
        """Return what is at *path*."""
        return body(self.http.get(path, params=query))

    def create(self, name: str, **settings: object) -> str:
        """Create a collection; return its name."""
        body(self.http.post("/collections", json={"name": name, **settings}))
        return name

    def submit(self, collection: str, *documents: Mapping[str, Any]) -> str:
        """Hand documents in; return the id of the job."""
        path = f"/collections/{collection}/documents"
        job: str = body(self.http.post(path, json={"documents": documents}))["job"]["id"]
        return job

    def delete(self, collection: str, document: str) -> str:
        """Delete a document; return the id of the job."""
        deleted = self.http.delete(f"/collections/{collection}/documents/{document}")
        job: str = body(deleted)["job"]["id"]
        return job

    def finish(self, job: str) -> dict[str, Any]:
        """Wait until a job is done and return its report."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not (report := self.get(f"/jobs/{job}"))["finished"]:
            assert time.monotonic() < deadline, report
            time.sleep(0.05)
        return report

    def add(self, collection: str, *documents: Mapping[str, Any]) -> dict[str, Any]:
        """Hand documents in and wait until all are settled; return the job's report."""
        return self.finish(self.submit(collection, *documents))

    def search(self, collection: str, q: str, **options: str | int) -> dict[str, Any]:
        """Return the answer to a query."""
        return self.get(f"/collections/{collection}/search", q=q, **options)


def body(response: httpx.Response) -> dict[str, Any]:
    """Return the JSON object of a good answer."""
    assert response.is_success, f"{response.status_code}: {response.text}"
    found: dict[str, Any] = response.json()
    return found
