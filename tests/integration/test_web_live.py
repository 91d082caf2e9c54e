"""`/live`: notices that a part of a page would say something else now."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from flask.testing import FlaskClient

from shared.access.making import create_key
from shared.domain import LOCAL, Scope
from tests.integration.test_web_events import stream
from tests.unit.web.installation import Installation

QUICK = {"stream_seconds": 0.2, "poll_seconds": 0.01, "streams": 1}
ACCEPT = {"Accept": "text/event-stream"}


@pytest.fixture
def lamina(tmp_path: Path) -> Iterator[Installation]:
    with Installation.open(tmp_path, events=QUICK) as installation:
        yield installation


def told(client: FlaskClient, *parts: str, last: str | None = None) -> list[tuple[str, str]]:
    """Return the ids of the notices of a stream and what each is about."""
    query = "&".join(f"part={one}" for one in parts)
    found = stream(client, f"/live?{query}", last=last)
    assert {one["event"] for one in found} <= {"changed"}
    return [(one["id"], one["data"]) for one in found]


def test_a_part_is_told_of_at_first_and_again_only_once_it_has_changed(
    lamina: Installation,
) -> None:
    client = lamina.client()
    job = lamina.add({"id": "a", "text": "a"})
    address = f"/jobs/{job}/progress"

    ((waiting, number),) = told(client, address)
    assert number == "0"
    assert told(client, address, last=waiting) == []
    lamina.index_all()
    ((done, _),) = told(client, address, last=waiting)
    assert done != waiting
    assert told(client, address, last=done) == []
    both = told(client, "/sample/progress", address, last=f"nothing.{done}")
    assert [number for _, number in both] == ["0"]


def test_a_stream_notices_what_happens_while_it_is_open(tmp_path: Path) -> None:
    with Installation.open(tmp_path, events=QUICK | {"stream_seconds": 20}) as lamina:
        job = lamina.add({"id": "a", "text": "a"})
        path = f"/live?part=/jobs/{job}/progress"
        answer = FlaskClient(lamina.app).get(path, headers=ACCEPT)  # not read to its end
        notices = (one for one in answer.iter_encoded() if b"event: changed" in one)
        first = next(notices)
        lamina.index_all()
        assert next(notices) != first  # it would wait for the end of the stream otherwise
        answer.close()
        assert lamina.services.streams.acquire(blocking=False)


@pytest.mark.parametrize(
    "part",
    [
        "/sample/progress",
        "/collections/c/rebuild/progress",
        "/operation/now",
        "/operation/processes/list",
    ],
)
def test_every_part_that_a_page_refreshes_can_be_watched(lamina: Installation, part: str) -> None:
    client = lamina.client()
    ((last, _),) = told(client, part)
    assert told(client, part, last=last) == []


def test_a_map_that_is_drawn_can_be_watched(lamina: Installation) -> None:
    lamina.add({"id": "a", "text": "a"})
    lamina.index_all()
    client = lamina.client()
    assert client.post("/api/v1/collections/c/map", json={}).status_code == 202
    assert len(told(client, "/collections/c/map/progress%3Fversion%3D1")) == 1
    page = client.get("/collections/c/map").text
    assert 'data-every="1"' in page
    assert "live.js" in page


def test_streams_of_pages_and_programs_share_their_places(lamina: Installation) -> None:
    job = lamina.add({"id": "a", "text": "a"})
    client = lamina.client()
    assert lamina.services.streams.acquire(blocking=False)
    refused = client.get(f"/live?part=/jobs/{job}/progress", headers=ACCEPT)
    assert refused.status_code == 503
    assert client.get(f"/jobs/{job}/progress").status_code == 200  # so the page asks by itself
    lamina.services.streams.release()
    assert len(told(client, f"/jobs/{job}/progress")) == 1
    assert len(told(client, f"/jobs/{job}/progress")) == 1


def test_nobody_watches_what_is_not_for_them(lamina: Installation) -> None:
    job = lamina.add({"id": "a", "text": "a"})
    lamina.new_collection("other")
    hidden = lamina.add({"id": "b", "text": "b"}, collection="other")
    made = create_key(lamina.services.keys, LOCAL, "x", Scope.SEARCH, collections=["c"])
    lamina.services.keyring.forget()  # that there was none
    bound = lamina.client(key=made.text)

    def status(client: FlaskClient, *parts: str) -> int:
        query = "&".join(f"part={one}" for one in parts)
        return client.get(f"/live?{query}", headers=ACCEPT).status_code

    assert status(lamina.client(), f"/jobs/{job}/progress") == 401
    assert status(bound, f"/jobs/{job}/progress") == 200
    assert status(bound, f"/jobs/{job}/progress", f"/jobs/{hidden}/progress") == 404
    assert status(bound, "/collections/other/rebuild/progress") == 404
    assert status(bound, "/collections/c/rebuild/progress") == 403
    assert status(bound, "/operation/now") == 403
    for nonsense in ("", "/", f"/jobs/{job}", "/jobs/nothing%0Aat/all", "//[", "/api/v1/jobs"):
        assert status(bound, nonsense) == 422, nonsense
    assert bound.get("/live", headers=ACCEPT).status_code == 422
