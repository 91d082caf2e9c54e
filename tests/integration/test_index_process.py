"""The index worker as a process: it works with and without a broker, and leaves when told to."""

from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from shared import exits
from shared.domain import State
from shared.encoder import ModelStore, pull
from shared.ingest import parse_submission
from shared.queue import CeleryBell
from shared.services import Services, migrate, open_services
from shared.settings import Settings
from tests.models import write_model
from tests.redis_server import RedisServer
from tests.worker_process import WorkerProcess, wait_until

NOBODY = "redis://127.0.0.1:1/0"


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Services]:
    """A data folder with a tiny model and the default collection."""
    services = open_services(Settings(data_dir=tmp_path, encoder="tiny"))
    models = ModelStore(tmp_path / "models", pass_tokens=200, loaded=1)
    pull(str(write_model(tmp_path / "made" / "tiny")), models)
    migrate(services)
    yield services
    services.close()


def index(
    home: Services, broker_url: str, *, poll_seconds: float = 1.0, device: str = "cpu"
) -> WorkerProcess:
    return WorkerProcess(
        "index",
        home.settings.data_dir,
        broker_url,
        LAMINA_ENCODER="tiny",
        LAMINA_ENCODING_POLL_SECONDS=str(poll_seconds),
        LAMINA_ENCODING_DEVICE=device,
    )


def add(home: Services, name: str) -> None:
    """Submit a document without ringing."""
    documents = [{"id": name, "text": f"the text of {name}"}]
    home.inbox.accept(parse_submission(documents, home.limits, collection="default", source="api"))


def indexed(home: Services, name: str) -> bool:
    return home.records.document("default", name).state is State.INDEXED


def connected(process: WorkerProcess, times: int) -> bool:
    return process.said.count("Connected to redis") == times


@pytest.mark.slow
def test_without_a_broker_it_indexes_by_looking(home: Services) -> None:
    with index(home, NOBODY, poll_seconds=0.2) as process:
        process.wait_until_ready()
        for name in ("first", "second"):
            add(home, name)
            wait_until(partial(indexed, home, name))
        assert home.roster.alive(within_seconds=60) == {"index": 1}
        assert process.stop() == 0


@pytest.mark.slow
def test_a_bell_wakes_it_also_after_the_broker_was_killed(home: Services, tmp_path: Path) -> None:
    folder = tmp_path / "redis"
    folder.mkdir()
    with RedisServer(folder) as server, index(home, server.url, poll_seconds=3600) as process:
        process.wait_until_ready()
        bell = CeleryBell(server.url)
        for times, name in enumerate(("before", "after"), start=1):
            if times > 1:
                server.kill()
                server.start()
            wait_until(partial(connected, process, times))
            add(home, name)
            bell.ring()
            wait_until(partial(indexed, home, name))
        assert process.stop() == 0
        bell.close()


def test_a_device_that_is_not_there_ends_it_with_words(home: Services) -> None:
    with index(home, NOBODY, device="cuda:77") as process:
        code = process.wait()

    assert code == exits.CONFIGURATION
    assert "LAMINA_ENCODING_DEVICE is cuda:77" in process.said
    assert "Traceback" not in process.said
