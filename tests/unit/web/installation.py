"""A whole installation behind the web application, in one process and without a model."""

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from shared.collecting import create_collection
from shared.domain import Json
from shared.indexing.bench import Bench
from shared.indexing.turns import index_next
from shared.services import Services, open_bench, open_services
from shared.settings import Settings
from tests.fakes.encoder import FakeEncoders
from tests.fakes.wayward import WaywardEncoder
from tests.worlds import CountingBell, migrated
from web import Lamina, create_app

ENCODER = "lamina/hash"
KEY = "a key of more than twenty characters"
QUICK_READER = {"poll_seconds": 0.01}
QUICK_EVENTS = {"stream_seconds": 0.05, "poll_seconds": 0.01}
QUICK_LIMITS = {"after_seconds": 0.3, "waiters": 1, "request_bytes": 6_000_000, "documents": 20}


class Client(FlaskClient):
    """A client that reads each answer to its end, so that no file stays open."""

    def open(self, *args: Any, **kwargs: Any) -> TestResponse:
        return super().open(*args, **kwargs | {"buffered": True})


@dataclass(frozen=True, slots=True, kw_only=True)
class Installation:
    """The application, what is behind it, and a worker that works when it is told to."""

    app: Lamina
    services: Services
    bench: Bench
    encoder: WaywardEncoder
    bell: CountingBell

    @classmethod
    @contextmanager
    def open(cls, folder: Path, **changes: Any) -> Iterator[Self]:
        """Set an installation up with one collection called `c`."""
        quick = {"limits": QUICK_LIMITS, "reader": QUICK_READER, "events": QUICK_EVENTS}
        changes = {"encoder": ENCODER} | quick | changes
        settings = Settings(_env_file=None, data_dir=folder, **changes)
        encoder, bell = WaywardEncoder(), CountingBell()
        if "database_url" not in changes and not (folder / "catalog.db").exists():
            folder.mkdir(parents=True, exist_ok=True)
            shutil.copy(migrated(), folder / "catalog.db")
        services = open_services(settings, encoders=FakeEncoders(encoder), bell=bell)
        services.database.migrate()
        create_collection(services.collections, services.encoders, "c", encoder=ENCODER)
        app = create_app(services)
        app.testing = True
        app.test_client_class = Client
        try:
            yield cls(
                app=app, services=services, bench=open_bench(services), encoder=encoder, bell=bell
            )
        finally:
            app.extensions["background"].close()
            services.close()

    def client(self, *, key: str | None = None) -> FlaskClient:
        """Return a client, one that brings *key* with each request if it is given."""
        client = self.app.test_client()
        if key is not None:
            client.environ_base["HTTP_AUTHORIZATION"] = f"Bearer {key}"
        return client

    def add(self, *documents: Json, collection: str = "c") -> str:
        """Submit documents over HTTP; return the id of the job."""
        response = self.client().post(
            f"/api/v1/collections/{collection}/documents", json={"documents": list(documents)}
        )
        assert response.status_code == 202, response.text
        return str(response.json["job"]["id"])  # type: ignore[index]  # checked by the status

    def index_all(self) -> None:
        """Work until nothing waits."""
        while index_next(self.bench):
            pass

    def search(self, query: str, collection: str = "c", **more: Any) -> dict[str, Any]:
        """Search over HTTP, at the newest head."""
        head = self.services.reading.heads()[self.services.collections.get(collection).id]
        if "version" not in more:
            more["min_version"] = head.version
        response = self.client().post(
            f"/api/v1/collections/{collection}/search", json={"q": query, **more}
        )
        assert response.status_code == 200, response.text
        return body_of(response)

    def new_collection(self, name: str) -> str:
        """Create a collection of a test's own."""
        create_collection(self.services.collections, self.services.encoders, name, encoder=ENCODER)
        return name


def body_of(response: TestResponse) -> dict[str, Any]:
    """Return the JSON object of an answer."""
    body = json.loads(response.get_data())
    assert isinstance(body, dict)
    return body


def problem_of(response: TestResponse, status: int, slug: str) -> dict[str, Any]:
    """Return the problem details of an answer, after checking what all of them must hold."""
    assert response.status_code == status, response.text
    assert response.mimetype == "application/problem+json"
    problem = body_of(response)
    assert problem["type"] == f"/problems/{slug}"
    assert problem["status"] == status
    assert problem["title"]
    assert problem["detail"]
    assert problem["instance"].startswith("/")
    return problem
