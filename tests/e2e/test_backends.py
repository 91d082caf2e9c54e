"""A short round on PostgreSQL with Redis and with RabbitMQ; the long ones are slow tests."""

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from shared.catalog import Database
from shared.index import FolderIndexStore
from tests.backends import Backend, open_backend
from tests.e2e.client import PATIENCE_SECONDS, Client
from tests.faults.ledger import Ledger, wait_until_quiet
from tests.faults.producers import CELERY_PROGRAM, ApiProducer, Program, QueueProducer
from tests.running import RunningLamina

NAME = "round"

pytestmark = [pytest.mark.slow, pytest.mark.timeout(400)]


@pytest.fixture(params=["postgresql-redis", "postgresql-rabbitmq"])
def backend(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Backend]:
    """The servers that a Lamina stands on."""
    with open_backend(request.param, tmp_path) as opened:
        yield opened


def test_documents_come_in_and_change_and_a_worker_is_killed(
    backend: Backend, tmp_path: Path
) -> None:
    ledger = Ledger()
    one_worker = {"LAMINA_ENCODING_WORKERS": "1"}
    with (
        RunningLamina(tmp_path / "var", {**one_worker, **backend.environment}) as lamina,
        Client(lamina.url) as client,
        Program(celery_command(backend, lamina), tmp_path) as celery,
    ):
        client.create(NAME, chunking={"mode": "none"})
        api = ApiProducer("api", lamina.url, NAME)
        queue = QueueProducer("celery", lamina.url, NAME, celery.push)

        def put(producer: ApiProducer | QueueProducer, name: str, words: str) -> str:
            document = {"id": name, "title": name, "text": words}
            job = producer.put([document])
            ledger.acknowledge(job, [document])
            return job

        put(api, "tide", "The tide rises and falls with the moon.")
        client.finish(put(queue, "bread", "Bread rises where yeast is at work."))
        killed = lamina.kill("index")
        put(queue, "bread", "Bread is baked in an oven.")
        if job := queue.delete("tide"):
            ledger.acknowledge_deletion(job, "tide")
        job = put(api, "bees", "Bees dance to show the way.")
        assert lamina.wait_for_another("index", killed) != killed
        # All of them: producers take turns, so the last job may well be the first to end.
        wait_until_quiet(lamina.url, PATIENCE_SECONDS)

        hits = client.search(NAME, "what comes out of a bakery", after=job)["hits"]

        assert [(hit["id"], hit["passage"]) for hit in hits] == [
            ("bread", "Bread is baked in an oven."),
            ("bees", "Bees dance to show the way."),
        ]
        database = Database(lamina.catalog_url)
        store = FolderIndexStore(lamina.data_dir / "index")
        verdict = ledger.judge(database, store, NAME)
        database.close()
        api.close()
        queue.close()
    verdict.check()
    assert (verdict.acknowledged, verdict.indexed) == (5, 2)


def celery_command(backend: Backend, lamina: RunningLamina) -> list[str]:
    """Return the command of an app that has Celery and knows nothing of Lamina's code."""
    options = json.dumps(backend.send_options())
    broker = backend.broker_url(lamina)
    return [sys.executable, "-I", "-c", CELERY_PROGRAM, broker, options]
