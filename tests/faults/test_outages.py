"""Faults 5 to 8 for who indexes and who accepts: Redis is frozen, cut off, killed or flushed."""

import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
from psutil import Process

from shared.domain import State
from shared.encoder import ModelStore, pull
from shared.ingest import parse_submission
from shared.queue import INDEX_QUEUE, CeleryBell
from shared.services import Services, migrate, open_services
from shared.settings import Settings
from tests.models import write_model
from tests.redis_server import RedisServer
from tests.relay import Relay
from tests.unit.web.installation import Client, Installation
from tests.worker_process import WorkerProcess, wait_until
from web import create_app

NOBODY = "redis://127.0.0.1:1/0"
AT_ONCE = 12
"""Documents submitted together, so that the worker is in the middle of them."""


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Services]:
    """A data folder with a tiny model and the default collection."""
    services = open_services(Settings(data_dir=tmp_path, encoder="tiny"))
    models = ModelStore(tmp_path / "models", pass_tokens=200, loaded=1)
    pull(str(write_model(tmp_path / "made" / "tiny")), models)
    migrate(services)
    yield services
    services.close()


def add(home: Services, part: str) -> list[str]:
    """Submit documents without ringing; return their ids."""
    documents = [{"id": f"{part}{n}", "text": f"text {n} of {part}"} for n in range(AT_ONCE)]
    home.inbox.accept(parse_submission(documents, home.limits, collection="default", source="api"))
    return [str(one["id"]) for one in documents]


def indexed(home: Services, names: list[str]) -> bool:
    return all(home.records.document("default", one).state is State.INDEXED for one in names)


def heard(server: RedisServer, bell: CeleryBell, before: int) -> bool:
    """Ring, and return whether a worker has taken every bell since there were *before* pushes."""
    bell.ring()
    with server.client() as client:
        return pushes(server) > before and not client.llen(INDEX_QUEUE.name)


def pushes(server: RedisServer) -> int:
    with server.client() as client:
        return int(client.info("commandstats").get("cmdstat_lpush", {"calls": 0})["calls"])


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_an_index_worker_outlives_whatever_happens_to_redis(home: Services, tmp_path: Path) -> None:
    folder = tmp_path / "redis"
    folder.mkdir()
    with RedisServer(folder) as server, Relay(("127.0.0.1", server.port)) as relay:

        def flush() -> None:
            with server.client() as client:
                client.flushall()

        harms: dict[str, Callable[[], object]] = {
            "nothing": lambda: None,
            "frozen": relay.freeze,
            "thawed": relay.thaw,
            "cut": relay.cut,
            "killed": server.kill,
            "back": server.start,
            "flushed": flush,
        }
        worker = WorkerProcess(
            "index",
            home.settings.data_dir,
            f"redis://127.0.0.1:{relay.port}/0",
            LAMINA_ENCODER="tiny",
            LAMINA_ENCODING_POLL_SECONDS="0.2",
        )
        with worker:
            worker.wait_until_ready()
            names: list[str] = []
            for part, harm in harms.items():
                names += add(home, part)
                harm()
                wait_until(partial(indexed, home, names))
                assert not worker.ended, worker.said
                assert not Process(worker.pid).children(), (
                    "[fork] a process that holds a model has forked"
                )
            bell = CeleryBell(server.url)
            wait_until(partial(heard, server, bell, pushes(server)))
            bell.close()
            assert worker.stop() == 0, worker.said
        assert "index_failed" not in worker.said
    live = home.collections.stats()[0].documents
    assert live == len(names) == len(harms) * AT_ONCE


@pytest.mark.parametrize("fault", ["nobody is there", "it is silent"])
def test_without_a_broker_documents_are_accepted_at_once_and_indexed(
    tmp_path: Path, server: RedisServer, fault: str
) -> None:
    with Relay(("127.0.0.1", server.port)) as relay, Installation.open(tmp_path) as lamina:
        relay.freeze()
        url = NOBODY if fault == "nobody is there" else f"redis://127.0.0.1:{relay.port}/0"
        bell = CeleryBell(url)
        app = create_app(replace(lamina.services, bell=bell))
        app.test_client_class = Client
        started = time.monotonic()
        for number in range(20):
            response = app.test_client().post(
                "/api/v1/collections/c/documents", json={"documents": [{"text": f"t {number}"}]}
            )
            assert response.status_code == 202
        seconds = time.monotonic() - started
        bell.close()
        app.extensions["background"].close()
        lamina.index_all()

        assert seconds < 5, f"[outage] 20 requests took {seconds:.1f} s"
        assert lamina.services.collections.stats()[0].documents == 20
