"""Who puts load on a Lamina: people, programs and foreign apps, each as its library sends."""

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.backends import Backend
from tests.faults.producers import (
    AMQPLIB_PROGRAM,
    CELERY_NODE_PROGRAM,
    CELERY_PROGRAM,
    ApiProducer,
    FormProducer,
    Producer,
    Program,
    QueueProducer,
    plain_json,
)
from tests.faults.soak.writers import Habit
from tests.running import RunningLamina

_NODE_LIBRARIES = {
    "embedded": ("celery-node@0.5.9", CELERY_NODE_PROGRAM),
    "postgresql-redis": ("celery-node@0.5.9", CELERY_NODE_PROGRAM),
    "postgresql-rabbitmq": ("amqplib@0.10.4", AMQPLIB_PROGRAM),
}
"""celery-node declares its queue, which RabbitMQ does not let a producer's account do."""
_INSTALL_SECONDS = 120
_RARE = Habit(most=1, rest_seconds=1.0)


class Unavailable(Exception):
    """A client cannot take part here; the message says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Clients:
    """Everyone who changes documents, with what each does; and who could not come."""

    producers: tuple[tuple[Producer, Habit], ...]
    missing: tuple[str, ...]


@contextmanager
def open_clients(
    lamina: RunningLamina, backend: Backend, collection: str, folder: Path
) -> Iterator[Clients]:
    """Start the foreign programs in *folder*, and end them after the block."""
    url, missing = lamina.url, []
    with ExitStack() as stack:
        celery = stack.enter_context(_celery(lamina, backend, folder / "celery"))
        push = plain_json(backend, lamina)
        producers: list[tuple[Producer, Habit]] = [
            (ApiProducer("web", url, collection), Habit(most=1, rest_seconds=0.3)),
            (FormProducer("form", url, collection), _RARE),
            (
                ApiProducer("bulk", url, collection, lane="bulk"),
                Habit(most=40, rest_seconds=3.0, timed=False, cancels=True),
            ),
            (
                ApiProducer("batches", url, collection),
                Habit(most=8, rest_seconds=1.0, cancels=True),
            ),
            (QueueProducer("plain", url, collection, push), Habit(most=5, rest_seconds=0.7)),
            (
                QueueProducer("celery", url, collection, celery.push),
                Habit(most=3, rest_seconds=0.7),
            ),
        ]
        try:
            node = stack.enter_context(_node(lamina, backend, folder / "node"))
        except Unavailable as error:
            missing.append(f"the Node client: {error}")
        else:
            producers.append((QueueProducer("node", url, collection, node.push), _RARE))
        for producer, _ in producers:
            stack.callback(producer.close)
        yield Clients(producers=tuple(producers), missing=tuple(missing))


def _celery(lamina: RunningLamina, backend: Backend, folder: Path) -> Program:
    folder.mkdir()
    options = json.dumps(backend.send_options())
    # -I: it knows nothing of Lamina's code, as another app.
    command = [sys.executable, "-I", "-c", CELERY_PROGRAM, backend.broker_url(lamina), options]
    return Program(command, folder)


def _node(lamina: RunningLamina, backend: Backend, folder: Path) -> Program:
    """Install the library and return the program that uses it.

    Raises:
        Unavailable: there is no Node here, or npm cannot install the library.
    """
    if not (shutil.which("node") and shutil.which("npm")):
        raise Unavailable("node and npm are not installed")
    library, script = _NODE_LIBRARIES[backend.name]
    folder.mkdir()
    (folder / "package.json").write_text('{"private": true}', encoding="utf-8")
    (folder / "send.js").write_text(script, encoding="utf-8")
    install = ["npm", "install", "--no-audit", "--no-fund", "--ignore-scripts", library]
    done = subprocess.run(
        install, cwd=folder, check=False, timeout=_INSTALL_SECONDS, capture_output=True, text=True
    )
    if done.returncode:
        raise Unavailable(f"npm could not install {library}")
    return Program(["node", "send.js", backend.broker_url(lamina)], folder)
