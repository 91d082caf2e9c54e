"""Following jobs until their documents can be found."""

import json
from typing import Any

import httpx
import pytest

from shared.cli.waiting import Tracker
from shared.client import Client, Refused, Unreachable


class Api:
    """Jobs by id as the test sets them, and the searches that were made."""

    def __init__(self) -> None:
        self.jobs: dict[str, dict[str, Any]] = {}
        self.searches: list[dict[str, Any]] = []
        self.fault: Exception | None = None

    def __call__(self, request: httpx.Request) -> httpx.Response:
        if self.fault:
            raise self.fault
        if request.url.path.endswith("/search"):
            self.searches.append(json.loads(request.content))
            return httpx.Response(200, json={"hits": []})
        found = self.jobs.get(request.url.path.rpartition("/")[2])
        return httpx.Response(200, json=found) if found else httpx.Response(404)

    def set(
        self, job: str, *, loaded: bool = False, version: int | None = 1, **counts: int
    ) -> None:
        self.jobs[job] = {
            "finished": not counts.get("pending"),
            "version": version,
            "counts": counts,
            "stages": {"first_loaded_at": "2026-01-01T00:00:00.000Z" if loaded else None},
            "eta_seconds": 2.5 * counts["pending"] if counts.get("pending") else None,
            "errors": [{"document": "bad", "message": "why"}] * counts.get("failed", 0),
            "warnings": [],
        }


@pytest.fixture
def api() -> Api:
    return Api()


@pytest.fixture
def tracker(api: Api) -> Tracker:
    http = httpx.Client(transport=httpx.MockTransport(api), base_url="http://lamina.test")
    return Tracker(Client(http), "papers")


def test_published_is_not_enough_a_reader_must_have_it(api: Api, tracker: Tracker) -> None:
    tracker.add("a", 3)
    api.set("a", pending=1, indexed=2)
    tracker.look()
    assert (tracker.waiting, tracker.settled) == (True, 2)

    api.set("a", indexed=3)
    tracker.look()
    assert tracker.waiting

    api.set("a", indexed=3, loaded=True)
    tracker.look()
    assert (tracker.waiting, tracker.settled) == (False, 3)
    assert tracker.tally.counts == {"indexed": 3}


def test_a_job_that_changed_nothing_has_no_version_to_wait_for(api: Api, tracker: Tracker) -> None:
    tracker.add("a", 3)
    api.set("a", unchanged=2, failed=1, version=None)
    tracker.look()

    assert not tracker.waiting
    assert tracker.tally.failed == 1
    assert tracker.tally.errors == [{"document": "bad", "message": "why"}]


def test_a_collection_that_no_reader_follows_is_opened_by_a_search(
    api: Api, tracker: Tracker, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = iter([10.0, 10.5, 13.0])
    monkeypatch.setattr("shared.cli.waiting.time.monotonic", lambda: next(clock))
    tracker.add("a", 1)
    api.set("a", indexed=1)
    tracker.look()
    assert api.searches == []

    tracker.look()
    assert api.searches == [{"q": "a", "k": 1, "after": "a"}]


def test_a_restarting_server_is_waited_for_but_not_for_ever(
    api: Api, tracker: Tracker, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 100.0
    monkeypatch.setattr("shared.cli.waiting.time.monotonic", lambda: now)
    tracker.add("a", 1)
    api.fault = httpx.ConnectError("refused")
    tracker.look()
    now += 59
    tracker.look()
    now += 2

    with pytest.raises(Unreachable):
        tracker.look()


def test_a_lost_job_is_an_error_at_once(tracker: Tracker) -> None:
    tracker.add("nowhere", 1)

    with pytest.raises(Refused, match="404"):
        tracker.look()


def test_what_is_left_is_what_the_newest_job_says(api: Api, tracker: Tracker) -> None:
    for number in range(10):
        tracker.add(str(number), 1)
        api.set(str(number), pending=number + 1)
    assert tracker.eta_seconds is None

    tracker.look()
    assert tracker.eta_seconds == 25.0

    for number in range(10):
        api.set(str(number), indexed=1, loaded=True)
    while tracker.waiting:
        tracker.look()
    assert tracker.eta_seconds is None
