"""The bell on RabbitMQ: heard by a worker, never in the way of who rings, and of no weight."""

import signal
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from shared import queue
from shared.domain import State
from shared.encoder import ModelStore, pull
from shared.errors import BrokerUnavailable
from shared.ingest import parse_submission
from shared.queue import CeleryBell
from shared.services import Services, migrate, open_services
from shared.settings import Settings
from tests.models import write_model
from tests.rabbit_server import RabbitServer
from tests.worker_process import WorkerProcess, wait_until

INDEX_QUEUE = queue.INDEX_QUEUE.name


@pytest.fixture
def bell(rabbit: RabbitServer) -> Iterator[CeleryBell]:
    opened = CeleryBell(rabbit.lamina_url)
    opened.ring()
    wait_until(partial(unheard, rabbit))
    yield opened
    opened.close()


def unheard(rabbit: RabbitServer) -> int:
    """Return how many bells wait; 0 if there is no queue yet."""
    with rabbit.connect() as connection:
        channel: Any = connection.channel()
        try:
            return int(channel.queue_declare(INDEX_QUEUE, passive=True).message_count)
        except connection.channel_errors:
            return 0


def test_a_ring_is_one_small_message_that_is_not_kept(
    bell: CeleryBell, rabbit: RabbitServer
) -> None:
    with rabbit.connect() as connection:
        channel: Any = connection.channel()
        message = channel.basic_get(INDEX_QUEUE, no_ack=True)
    assert message.properties["application_headers"]["task"] == "lamina.index"
    assert message.properties["expiration"] == "30000"
    assert message.properties["delivery_mode"] == 1
    assert len(message.body) < 500


def test_bells_that_nobody_hears_do_not_pile_up(bell: CeleryBell, rabbit: RabbitServer) -> None:
    end = time.monotonic() + 1.5
    while time.monotonic() < end:
        bell.ring()
        time.sleep(0.005)
    assert 2 <= unheard(rabbit) <= 16


def test_ringing_and_closing_take_no_time_while_the_broker_is_stalled(
    bell: CeleryBell, rabbit: RabbitServer
) -> None:
    rabbit.send(signal.SIGSTOP)
    try:
        started = time.monotonic()
        for _ in range(100):
            bell.ring()
            time.sleep(0.001)
        bell.close()
        assert time.monotonic() - started < 4.0
    finally:
        rabbit.send(signal.SIGCONT)


@pytest.mark.slow
def test_a_broker_that_is_out_of_memory_costs_the_bell_only(
    bell: CeleryBell, rabbit: RabbitServer, capfd: pytest.CaptureFixture[str]
) -> None:
    def ring_until(said: str) -> None:
        def rung() -> bool:
            bell.ring()
            heard = capfd.readouterr()
            log.append(heard.out + heard.err)
            return said in "".join(log)

        wait_until(rung)

    log: list[str] = []
    rabbit.control("set_vm_memory_high_watermark", "0.0000001")  # it blocks who publishes
    try:
        ring_until("bell_unheard")
    finally:
        rabbit.control("set_vm_memory_high_watermark", "0.4")
    ring_until("bell_back")
    assert "".join(log).count("bell_unheard") == 1


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Services]:
    """A data folder with a tiny model and the default collection."""
    services = open_services(Settings(data_dir=tmp_path, encoder="tiny"))
    models = ModelStore(tmp_path / "models", pass_tokens=200, loaded=1)
    pull(str(write_model(tmp_path / "made" / "tiny")), models)
    migrate(services)
    yield services
    services.close()


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_worker_hears_the_bell_also_after_the_broker_was_killed(
    home: Services, rabbit: RabbitServer
) -> None:
    def add(name: str) -> None:
        documents = [{"id": name, "text": f"the text of {name}"}]
        wanted = parse_submission(documents, home.limits, collection="default", source="api")
        home.inbox.accept(wanted)

    def indexed(name: str) -> bool:
        return home.records.document("default", name).state is State.INDEXED

    worker = WorkerProcess(
        "index",
        home.settings.data_dir,
        rabbit.lamina_url,
        LAMINA_ENCODER="tiny",
        LAMINA_ENCODING_POLL_SECONDS="3600",  # only a bell can wake it
    )
    bell = CeleryBell(rabbit.lamina_url)
    with worker:
        wait_until(lambda: worker.said.count("Connected to amqp") == 1, seconds=100)
        for name in ("first", "second"):
            add(name)
            bell.ring()
            wait_until(partial(indexed, name))
        rabbit.kill()
        rabbit.start()
        wait_until(lambda: worker.said.count("Connected to amqp") == 2)
        add("third")

        def rung() -> bool:
            bell.ring()
            return indexed("third")

        wait_until(rung)
        bell.close()
        assert worker.stop() == 0


def test_a_queue_that_another_client_declared_differently_is_named(rabbit: RabbitServer) -> None:
    with rabbit.connect() as connection:
        channel: Any = connection.channel()
        channel.queue_declare(INDEX_QUEUE, durable=True, auto_delete=False)
    with pytest.raises(BrokerUnavailable, match=rf"(?s)'{INDEX_QUEUE}'.*PRECONDITION_FAILED"):
        queue.check_queues(rabbit.lamina_url, "lamina.submit")

    rabbit.forget(INDEX_QUEUE)
    with pytest.raises(BrokerUnavailable, match=r"lamina\.submit"):
        queue.check_queues(rabbit.lamina_url, "lamina.submit")
    with rabbit.connect() as connection:
        channel = connection.channel()
        channel.queue_declare("lamina.submit", durable=True, auto_delete=False)
    assert queue.check_queues(rabbit.lamina_url, "lamina.submit") == 0
